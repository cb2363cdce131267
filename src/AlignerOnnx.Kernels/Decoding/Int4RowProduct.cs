using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>
/// One rounded row of activations times rows of a weight of 4 bits in blocks of 32: what <see cref="Int4Product"/> computes for many rows, without spreading the weight over registers, which pays for
/// several only. Four rows of the weight at a time, block by block; the zero points' share is taken off for eight blocks together.
/// </summary>
internal static unsafe class Int4RowProduct
{
    /// <summary>The block size that it takes.</summary>
    public const int BlockSize = Int4Weight.StepColumns;

    private const int RowsAtOnce = 4;
    private const int BlocksAtOnce = 8;
    private const int BlockBytes = BlockSize / 2;
    private const int Line = 64;

    /// <summary>Computes sixteen columns of the product.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="first">Its first row, the first column of the product.</param>
    /// <param name="records">The records of the row (<see cref="RoundedRow"/>).</param>
    /// <param name="output">The first of the columns.</param>
    public static void Compute(in Int4Weight weight, long first, byte* records, float* output)
    {
        for (int row = 0; row < Int4Weight.RowsAtOnce; row += RowsAtOnce)
        {
            ComputeFour(in weight, first + row, records, output + row);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ComputeFour(in Int4Weight weight, long first, byte* records, float* output)
    {
        (long stride, long blocks, long zeroStride) = (weight.ElementStride, weight.Blocks, weight.ZeroPointStride);
        byte* elements = weight.ElementsOf(first);
        float* scales = weight.ScalesOf(first);
        byte* zeros = weight.ZeroPointsOf(first);
        byte* ahead = elements + (2 * RowsAtOnce * stride);
        Vector256<float> a = default, b = default, c = default, d = default;
        for (long block = 0; block < blocks; block += BlocksAtOnce)
        {
            int count = (int)Math.Min(BlocksAtOnce, blocks - block);
            byte* record = records + (block * RoundedRow.RecordSize);
            for (int next = 0; next < count; next++)
            {
                Vector256<sbyte> x = Avx2.PermuteVar8x32(Vector256.Load((int*)record), Vector256.Create(0, 2, 4, 6, 1, 3, 5, 7)).AsSByte();
                Vector256<float> scale = Vector256.Load((float*)(record + RoundedRow.ScaleOffset));
                float* at = scales + block + next;
                Sse.Prefetch0(ahead);
                a = Add(a, elements, x, scale * Vector256.Create(*at));
                b = Add(b, elements + stride, x, scale * Vector256.Create(at[blocks]));
                c = Add(c, elements + (2 * stride), x, scale * Vector256.Create(at[2 * blocks]));
                d = Add(d, elements + (3 * stride), x, scale * Vector256.Create(at[3 * blocks]));
                elements += BlockBytes;
                ahead += Line;
                record += RoundedRow.RecordSize;
            }
            Vector256<float> shares = Shares(records + (block * RoundedRow.RecordSize), count);
            byte* points = zeros is null ? null : zeros + (block / 2);
            float* group = scales + block;
            a = TakeOff(a, shares, group, points, count);
            b = TakeOff(b, shares, group + blocks, points is null ? null : points + zeroStride, count);
            c = TakeOff(c, shares, group + (2 * blocks), points is null ? null : points + (2 * zeroStride), count);
            d = TakeOff(d, shares, group + (3 * blocks), points is null ? null : points + (3 * zeroStride), count);
        }
        Vector256<float> sums = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
        (sums.GetLower() + sums.GetUpper()).Store(output);
    }

    /// <summary>Adds the products of a block: the low halves of the bytes, elements of even places, in one half of the register, the high halves in the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Add(Vector256<float> sum, byte* elements, Vector256<sbyte> x, Vector256<float> scale)
    {
        Vector256<ulong> twice = Avx2.BroadcastVector128ToVector256((ulong*)elements);
        Vector256<byte> halves = Avx2.ShiftRightLogicalVariable(twice, Vector256.Create(0ul, 0, 4, 4)).AsByte() & Vector256.Create((byte)0xF);
        Vector256<int> products = Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(halves, x), Vector256.Create((short)1));
        return Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(products), scale, sum);
    }

    /// <summary>For each of eight blocks the sum of its activations; zero behind the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Shares(byte* record, int count) => count == BlocksAtOnce
        ? Vector256.Create(Share(record, 0), Share(record, 1), Share(record, 2), Share(record, 3), Share(record, 4), Share(record, 5), Share(record, 6), Share(record, 7))
        : Vector256.Create(Share(record, 0, count), Share(record, 1, count), Share(record, 2, count), Share(record, 3, count), Share(record, 4, count), Share(record, 5, count), Share(record, 6, count), 0);

    private static float Share(byte* record, int block, int count) => block < count ? Share(record, block) : 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Share(byte* record, int block)
    {
        record += block * RoundedRow.RecordSize;
        return *(float*)(record + RoundedRow.ScaleOffset) * *(float*)(record + RoundedRow.SumOffset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> TakeOff(Vector256<float> sum, Vector256<float> shares, float* scales, byte* zeros, int count)
    {
        if (count < BlocksAtOnce)
        {
            return sum - Vector256.CreateScalar(Rest(shares, scales, zeros, count));
        }
        Vector256<uint> shifts = Vector256.Create(0u, 4, 8, 12, 16, 20, 24, 28);
        Vector256<int> points = zeros is null ? Vector256.Create(8) : Avx2.ShiftRightLogicalVariable(Vector256.Create(*(int*)zeros), shifts) & Vector256.Create(0xF);
        return Vector256.FusedMultiplyAdd(-(Vector256.ConvertToSingle(points) * Vector256.Load(scales)), shares, sum);
    }

    /// <summary>The last blocks of a row, one by one: nothing is read behind it.</summary>
    private static float Rest(Vector256<float> shares, float* scales, byte* zeros, int count)
    {
        float rest = 0;
        for (int block = 0; block < count; block++)
        {
            int point = zeros is null ? 8 : (zeros[block / 2] >> (4 * (block % 2))) & 0xF;
            rest += point * scales[block] * shares[block];
        }
        return rest;
    }
}
