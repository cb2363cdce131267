using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>
/// What <see cref="Int4Product"/> computes, on processors with registers of 512 bits: a step of sixteen rows is in eight of them, so that a row of activations meets all of it at once. Products, whole numbers,
/// are summed over a step in 16 bits (at most 32 / 2 * 15 * 128).
/// </summary>
internal static unsafe class Int4WideProduct
{
    private const int Width = Int4Weight.RowsAtOnce;
    private const int Eight = 8;
    private const int Line = 64;

    public static bool IsSupported => Avx512BW.IsSupported && Vector512.IsHardwareAccelerated;

    /// <inheritdoc cref="Int4Product.Compute"/>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Compute(in Int4Weight weight, long first, byte* records, int rows, float* output, long outputStride)
    {
        byte* room = stackalloc byte[(Int4Product.MostRows * Line) + Line];
        float* sums = (float*)(((nint)room + Line - 1) & -Line);
        new Span<float>(sums, rows * Width).Clear();
        float* scales = stackalloc float[SixteenRows.Room];
        uint* points = stackalloc uint[SixteenRows.Room];
        byte* elements = weight.ElementsOf(first);
        long stride = weight.ElementStride;
        byte* ahead = elements + (Width * stride);
        for (long block = 0; block < weight.Blocks; block++)
        {
            Vector512<float> scale = Vector512.Load(SixteenRows.Load(in weight, first, block, scales, points));
            Vector512<float> zeros = Vector512.Create(SixteenRows.ZeroPointsOfHalf(block, points, 0), SixteenRows.ZeroPointsOfHalf(block, points, 1));
            for (long left = weight.StepsPerBlock; left > 0; left--)
            {
                SixteenRows.Fetch(ahead);
                AddStep(elements, stride, scale, zeros, records, rows, sums);
                elements += Int4Weight.StepColumns / 2;
                ahead += Width * Int4Weight.StepColumns / 2;
                records += rows * RoundedRow.RecordSize;
            }
        }
        for (int row = 0; row < rows; row++)
        {
            Vector512.Load(sums + (row * Width)).Store(output + (row * outputStride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddStep(byte* elements, long stride, Vector512<float> scale, Vector512<float> zeros, byte* record, int rows, float* sums)
    {
        (Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d) = SixteenRows.HalfAcross(elements, stride);
        (Vector256<byte> e, Vector256<byte> f, Vector256<byte> g, Vector256<byte> h) = SixteenRows.HalfAcross(elements + (Eight * stride), stride);
        (Vector512<byte> first, Vector512<byte> second) = Halves(a, e);
        (Vector512<byte> third, Vector512<byte> fourth) = Halves(b, f);
        (Vector512<byte> fifth, Vector512<byte> sixth) = Halves(c, g);
        (Vector512<byte> seventh, Vector512<byte> eighth) = Halves(d, h);
        Vector512<short> ones = Vector512.Create((short)1);
        for (float* end = sums + (rows * Width); sums < end; sums += Width)
        {
            Vector512<short> pairs = (Products(first, record) + Products(second, record + 4)) + (Products(third, record + 8) + Products(fourth, record + 12))
                + ((Products(fifth, record + 16) + Products(sixth, record + 20)) + (Products(seventh, record + 24) + Products(eighth, record + 28)));
            Vector512<float> whole = Vector512.ConvertToSingle(Avx512BW.MultiplyAddAdjacent(pairs, ones));
            Vector512<float> rowScale = Vector512.Create(*(float*)(record + RoundedRow.ScaleOffset)), rowSum = Vector512.Create(*(float*)(record + RoundedRow.SumOffset));
            Vector512.FusedMultiplyAdd(Vector512.FusedMultiplyAdd(-zeros, rowSum, whole), scale * rowScale, Vector512.Load(sums)).Store(sums);
            record += RoundedRow.RecordSize;
        }
    }

    /// <summary>Four columns of sixteen rows twice: those of the low halves of bytes, and those of the high halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<byte> Low, Vector512<byte> High) Halves(Vector256<byte> left, Vector256<byte> right)
    {
        Vector512<byte> both = Vector512.Create(left, right), low = Vector512.Create((byte)0xF);
        return (both & low, Vector512.ShiftRightLogical(both.AsUInt16(), 4).AsByte() & low);
    }

    /// <summary>Sums of two products, with the same four activations for each of sixteen rows of the weight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Products(Vector512<byte> elements, byte* activations) => Avx512BW.MultiplyAddAdjacent(elements, Vector512.Create(*(int*)activations).AsSByte());
}
