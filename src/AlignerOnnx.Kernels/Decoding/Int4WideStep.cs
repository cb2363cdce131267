using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>
/// A step of <see cref="Int4Product"/> on processors with registers of 512 bits: eight of them hold it for all sixteen rows, so that a row of activations meets it at once. Products, whole numbers,
/// are summed in 16 bits (at most 32 / 2 * 15 * 128).
/// </summary>
internal static unsafe class Int4WideStep
{
    private const int Width = Int4Weight.RowsAtOnce;
    private const int Eight = 8;

    public static bool IsSupported => Avx512BW.IsSupported && Vector512.IsHardwareAccelerated;

    /// <summary>Adds a step's scaled products to sixteen sums of each row of activations.</summary>
    /// <param name="elements">The step's elements in the first row of the weight.</param>
    /// <param name="stride">Bytes from a row of the weight to the next.</param>
    /// <param name="scales">The scales of the sixteen rows.</param>
    /// <param name="zeros">Their zero points.</param>
    /// <param name="record">The step's record of the first row of activations (<see cref="RoundedRow"/>).</param>
    /// <param name="rows">Rows of activations.</param>
    /// <param name="sums">The sums.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddStep(byte* elements, long stride, float* scales, Vector512<float> zeros, byte* record, int rows, float* sums)
    {
        (Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d) = SixteenRows.HalfAcross(elements, stride);
        (Vector256<byte> e, Vector256<byte> f, Vector256<byte> g, Vector256<byte> h) = SixteenRows.HalfAcross(elements + (Eight * stride), stride);
        (Vector512<byte> first, Vector512<byte> second) = Halves(a, e);
        (Vector512<byte> third, Vector512<byte> fourth) = Halves(b, f);
        (Vector512<byte> fifth, Vector512<byte> sixth) = Halves(c, g);
        (Vector512<byte> seventh, Vector512<byte> eighth) = Halves(d, h);
        Vector512<short> ones = Vector512.Create((short)1);
        Vector512<float> scale = Vector512.Load(scales);
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
