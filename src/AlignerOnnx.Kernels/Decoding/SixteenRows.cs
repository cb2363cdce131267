using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>
/// Sixteen rows of an <see cref="Int4Weight"/>, read across: what belongs to one block or group of columns, of all of them. Of each row 16 bytes are read, which hold the scales of four blocks, or the zero
/// points of 32; behind the end of a row they are the next row's, and not used.
/// </summary>
internal static unsafe class SixteenRows
{
    /// <summary>Elements of 32 bits that are loaded together: four of each row.</summary>
    public const int Room = Fours * Count;

    private const int Count = Int4Weight.RowsAtOnce;
    private const int Fours = 4;
    private const int RowBytes = 16;
    private const int Eight = 8;
    private const int BlocksOfPoints = 32;
    private const int PointsOfFour = 8;
    private const int PointBits = 4;
    private const int Line = 64;

    /// <summary>16 bytes of each of eight rows, transposed by groups of four: the first group of all rows, the second, ...</summary>
    /// <param name="rows">The bytes of the first row.</param>
    /// <param name="stride">Bytes from a row to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<byte> First, Vector256<byte> Second, Vector256<byte> Third, Vector256<byte> Fourth) HalfAcross(byte* rows, long stride)
    {
        Vector256<int> a = FirstAndFifth(rows, stride), b = FirstAndFifth(rows + stride, stride), c = FirstAndFifth(rows + (2 * stride), stride), d = FirstAndFifth(rows + (3 * stride), stride);
        Vector256<long> abLow = Avx2.UnpackLow(a, b).AsInt64(), abHigh = Avx2.UnpackHigh(a, b).AsInt64();
        Vector256<long> cdLow = Avx2.UnpackLow(c, d).AsInt64(), cdHigh = Avx2.UnpackHigh(c, d).AsInt64();
        return (Avx2.UnpackLow(abLow, cdLow).AsByte(), Avx2.UnpackHigh(abLow, cdLow).AsByte(), Avx2.UnpackLow(abHigh, cdHigh).AsByte(), Avx2.UnpackHigh(abHigh, cdHigh).AsByte());
    }

    /// <summary>Loads the scales and zero points of a block, where those that were loaded for the blocks before it end.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="first">The first of the rows.</param>
    /// <param name="block">The block; all blocks come in their order.</param>
    /// <param name="scales">Room for <see cref="Room"/> scales.</param>
    /// <param name="points">Room for as many times eight zero points.</param>
    /// <returns>The scales of the block's sixteen rows.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* Load(in Int4Weight weight, long first, long block, float* scales, uint* points)
    {
        if (block % Fours == 0)
        {
            Across((byte*)(weight.ScalesOf(first) + block), weight.Blocks * sizeof(float), (byte*)weight.ScalesOf(weight.Rows), (byte*)scales);
            Fetch((byte*)(weight.ScalesOf(first + Count) + (block * Count)));
        }
        if (block % BlocksOfPoints == 0)
        {
            LoadPoints(in weight, first, block, points);
        }
        return scales + (block % Fours * Count);
    }

    /// <summary>The zero points of a block that <see cref="Load"/> loaded, of eight of the rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ZeroPointsOfHalf(long block, uint* points, int half) =>
        Vector256.ConvertToSingle((Vector256.ShiftRightLogical(Vector256.Load(PointsOf(block, points) + (half * Eight)), ShiftOf(block)) & Vector256.Create(0xFu)).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* PointsOf(long block, uint* points) => points + (block % BlocksOfPoints / PointsOfFour * Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ShiftOf(long block) => (int)(block % PointsOfFour) * PointBits;

    /// <summary>Fetches 16 bytes of each of the sixteen rows after these, which follow in memory: read as sixteen streams, the processor would not see them coming.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* ahead)
    {
        Sse.Prefetch0(ahead);
        Sse.Prefetch0(ahead + Line);
        Sse.Prefetch0(ahead + (2 * Line));
        Sse.Prefetch0(ahead + (3 * Line));
    }

    private static void LoadPoints(in Int4Weight weight, long first, long block, uint* points)
    {
        byte* stored = weight.ZeroPointsOf(first);
        if (stored is null)
        {
            new Span<uint>(points, Room).Fill(0x88888888);
            return;
        }
        Across(stored + (block / 2), weight.ZeroPointStride, weight.ZeroPointsOf(weight.Rows), (byte*)points);
        Fetch(weight.ZeroPointsOf(first + Count) + (block / 2 * Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Across(byte* rows, long stride, byte* end, byte* result)
    {
        if (rows + ((Count - 1) * stride) + RowBytes > end)
        {
            AcrossTheEnd(rows, stride, end, result);
            return;
        }
        HalfAcross(rows, stride, result);
        HalfAcross(rows + (Eight * stride), stride, result + (Eight * sizeof(int)));
    }

    /// <summary>Reads nothing behind the end of the weight.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AcrossTheEnd(byte* rows, long stride, byte* end, byte* result)
    {
        byte* copy = stackalloc byte[Count * RowBytes];
        for (int row = 0; row < Count; row++, rows += stride)
        {
            new ReadOnlySpan<byte>(rows, (int)Math.Min(RowBytes, end - rows)).CopyTo(new Span<byte>(copy + (row * RowBytes), RowBytes));
        }
        Across(copy, RowBytes, copy + (Count * RowBytes), result);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void HalfAcross(byte* rows, long stride, byte* result)
    {
        (Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d) = HalfAcross(rows, stride);
        a.Store(result);
        b.Store(result + (Count * sizeof(int)));
        c.Store(result + (2 * Count * sizeof(int)));
        d.Store(result + (3 * Count * sizeof(int)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> FirstAndFifth(byte* rows, long stride) => Vector256.Create(Vector128.Load(rows), Vector128.Load(rows + (4 * stride))).AsInt32();
}
