using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>
/// Rounded rows of activations times sixteen rows of a weight of 4 bits. Half a step, 16 columns, of the sixteen rows is spread over eight registers once, four columns of eight rows in each, and serves
/// all rows of activations. Products, whole numbers, are summed over a step: in 32 bits where the processor sums four of them at once (AVX-VNNI), else in 16 bits (at most 32 / 2 * 15 * 128). Then the zero
/// point's share is taken off, and what is left is scaled and added.
/// These are loops of their own, through the nearest cache: one that does all was a fifth slower (AMD Zen 3). With registers of 512 bits it is one loop (<see cref="Int4WideStep"/>).
/// </summary>
internal static unsafe class Int4Product
{
    /// <summary>The most rows of activations.</summary>
    public const int MostRows = 80;

    private const int Width = Int4Weight.RowsAtOnce;
    private const int Eight = 8;
    private const int Line = 64;

    /// <summary>Computes sixteen columns of the product.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="first">Its first row, the first column of the product.</param>
    /// <param name="records">The records of the rows (<see cref="RoundedRow"/>): for each step, those of all rows.</param>
    /// <param name="rows">Rows of activations, at most 80.</param>
    /// <param name="output">The first of the columns.</param>
    /// <param name="outputStride">Elements from a row of the product to the next.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Compute(in Int4Weight weight, long first, byte* records, int rows, float* output, long outputStride)
    {
        byte* room = stackalloc byte[(2 * MostRows * Line) + Line];
        float* sums = (float*)(((nint)room + Line - 1) & -Line);
        int* step = (int*)(sums + (rows * Width));
        new Span<float>(sums, rows * Width).Clear();
        float* scales = stackalloc float[SixteenRows.Room];
        uint* points = stackalloc uint[SixteenRows.Room];
        byte* elements = weight.ElementsOf(first);
        long stride = weight.ElementStride;
        byte* ahead = elements + (Width * stride);
        for (long block = 0; block < weight.Blocks; block++)
        {
            float* blockScales = SixteenRows.Load(in weight, first, block, scales, points);
            Vector256<float> leftZeros = SixteenRows.ZeroPointsOfHalf(block, points, 0), rightZeros = SixteenRows.ZeroPointsOfHalf(block, points, 1);
            for (long left = weight.StepsPerBlock; left > 0; left--)
            {
                SixteenRows.Fetch(ahead);
                if (Int4WideStep.IsSupported)
                {
                    Int4WideStep.AddStep(elements, stride, blockScales, Vector512.Create(leftZeros, rightZeros), records, rows, sums);
                }
                else
                {
                    MultiplyStep(elements, stride, records, rows, step);
                    AddScaled(step, blockScales, leftZeros, rightZeros, records, rows, sums);
                }
                elements += Int4Weight.StepColumns / 2;
                ahead += Width * Int4Weight.StepColumns / 2;
                records += rows * RoundedRow.RecordSize;
            }
        }
        for (int row = 0; row < rows; row++)
        {
            Vector256.Load(sums + (row * Width)).Store(output + (row * outputStride));
            Vector256.Load(sums + (row * Width) + Eight).Store(output + (row * outputStride) + Eight);
        }
    }

    /// <summary>The sums of a step's products, sixteen for each row of activations: of 32 bits, or pairs of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyStep(byte* elements, long stride, byte* records, int rows, int* step)
    {
        (Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d) = SixteenRows.HalfAcross(elements, stride);
        (Vector256<byte> e, Vector256<byte> f, Vector256<byte> g, Vector256<byte> h) = SixteenRows.HalfAcross(elements + (Eight * stride), stride);
        MultiplyHalf(a, b, e, f, records, rows, step, second: false);
        MultiplyHalf(c, d, g, h, records + (Int4Weight.StepColumns / 2), rows, step, second: true);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyHalf(Vector256<byte> a, Vector256<byte> b, Vector256<byte> e, Vector256<byte> f, byte* activations, int rows, int* step, bool second)
    {
        Vector256<byte> low = Vector256.Create((byte)0xF);
        Vector256<byte> a0 = a & low, a1 = High(a) & low, b0 = b & low, b1 = High(b) & low, e0 = e & low, e1 = High(e) & low, f0 = f & low, f1 = High(f) & low;
        for (int* end = step + (rows * Width); step < end; step += Width)
        {
            Vector256<int> left = second ? Vector256.Load(step) : Vector256<int>.Zero, right = second ? Vector256.Load(step + Eight) : Vector256<int>.Zero;
            Vector256<sbyte> x = Four(activations);
            left = AddProducts(left, a0, x);
            right = AddProducts(right, e0, x);
            x = Four(activations + 4);
            left = AddProducts(left, a1, x);
            right = AddProducts(right, e1, x);
            x = Four(activations + 8);
            left = AddProducts(left, b0, x);
            right = AddProducts(right, f0, x);
            x = Four(activations + 12);
            left = AddProducts(left, b1, x);
            right = AddProducts(right, f1, x);
            left.Store(step);
            right.Store(step + Eight);
            activations += RoundedRow.RecordSize;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> AddProducts(Vector256<int> sums, Vector256<byte> elements, Vector256<sbyte> activations) => AvxVnni.IsSupported
        ? AvxVnni.MultiplyWideningAndAdd(sums, elements, activations)
        : (sums.AsInt16() + Avx2.MultiplyAddAdjacent(elements, activations)).AsInt32();

    /// <summary>The same four activations for each of eight rows of the weight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Four(byte* activations) => Vector256.Create(*(int*)activations).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> High(Vector256<byte> elements) => Vector256.ShiftRightLogical(elements.AsUInt16(), 4).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScaled(int* step, float* scales, Vector256<float> leftZero, Vector256<float> rightZero, byte* record, int rows, float* sums)
    {
        Vector256<float> leftScale = Vector256.Load(scales), rightScale = Vector256.Load(scales + Eight);
        for (float* end = sums + (rows * Width); sums < end; sums += Width)
        {
            Vector256<float> scale = Vector256.Create(*(float*)(record + RoundedRow.ScaleOffset)), sum = Vector256.Create(*(float*)(record + RoundedRow.SumOffset));
            Vector256<float> left = Vector256.FusedMultiplyAdd(-leftZero, sum, Whole(step)), right = Vector256.FusedMultiplyAdd(-rightZero, sum, Whole(step + Eight));
            Vector256.FusedMultiplyAdd(left, leftScale * scale, Vector256.Load(sums)).Store(sums);
            Vector256.FusedMultiplyAdd(right, rightScale * scale, Vector256.Load(sums + Eight)).Store(sums + Eight);
            record += RoundedRow.RecordSize;
            step += Width;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Whole(int* sums) =>
        Vector256.ConvertToSingle(AvxVnni.IsSupported ? Vector256.Load(sums) : Avx2.MultiplyAddAdjacent(Vector256.Load(sums).AsInt16(), Vector256.Create((short)1)));
}
