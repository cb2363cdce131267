using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>Eight rows of an <see cref="Int4Weight"/>, read across: what belongs to one block or group of columns, of all eight.</summary>
internal static unsafe class EightRows
{
    /// <summary>Rows that are read together: one for each 32 bits of a register.</summary>
    public const int Count = 8;

    /// <summary>Blocks whose scales and zero points are read together.</summary>
    public const int BlocksAtOnce = 4;

    /// <summary>16 bytes of each row, transposed by groups of four: the first group of all rows, the second, ...</summary>
    /// <param name="rows">The bytes of the first row.</param>
    /// <param name="stride">Bytes from a row to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<byte> First, Vector256<byte> Second, Vector256<byte> Third, Vector256<byte> Fourth) Across(byte* rows, long stride)
    {
        Vector256<int> a = FirstAndFifth(rows, stride), b = FirstAndFifth(rows + stride, stride), c = FirstAndFifth(rows + (2 * stride), stride), d = FirstAndFifth(rows + (3 * stride), stride);
        Vector256<long> abLow = Avx2.UnpackLow(a, b).AsInt64(), abHigh = Avx2.UnpackHigh(a, b).AsInt64();
        Vector256<long> cdLow = Avx2.UnpackLow(c, d).AsInt64(), cdHigh = Avx2.UnpackHigh(c, d).AsInt64();
        return (Avx2.UnpackLow(abLow, cdLow).AsByte(), Avx2.UnpackHigh(abLow, cdLow).AsByte(), Avx2.UnpackLow(abHigh, cdHigh).AsByte(), Avx2.UnpackHigh(abHigh, cdHigh).AsByte());
    }

    /// <summary>The scales of four blocks, at the end of a row perhaps fewer.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="first">The first of the rows.</param>
    /// <param name="block">The first of the blocks.</param>
    /// <param name="scales">Where those of the first block go.</param>
    /// <param name="stride">Elements from there to where those of the next block go.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LoadScales(in Int4Weight weight, long first, long block, float* scales, int stride)
    {
        float* stored = weight.ScalesOf(first) + block;
        if (weight.Blocks - block >= BlocksAtOnce)
        {
            (Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d) = Across((byte*)stored, weight.Blocks * sizeof(float));
            a.AsSingle().Store(scales);
            b.AsSingle().Store(scales + stride);
            c.AsSingle().Store(scales + (2 * stride));
            d.AsSingle().Store(scales + (3 * stride));
            return;
        }
        for (int row = 0; row < Count; row++)
        {
            for (int next = 0; next < weight.Blocks - block; next++)
            {
                scales[(next * stride) + row] = stored[(row * weight.Blocks) + next];
            }
        }
    }

    /// <summary>The zero points of the same blocks.</summary>
    /// <inheritdoc cref="LoadScales" path="/param"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LoadZeroPoints(in Int4Weight weight, long first, long block, float* zeros, int stride)
    {
        byte* stored = weight.ZeroPointsOf(first);
        Vector256<int> packed = stored is null ? Vector256.Create(0x8888) : TwoBytes(stored + (block / 2), weight.ZeroPointStride, weight.Blocks - block > 2);
        for (int next = 0; next < BlocksAtOnce; next++)
        {
            Vector256.ConvertToSingle(packed & Vector256.Create(0xF)).Store(zeros + (next * stride));
            packed = Vector256.ShiftRightLogical(packed, 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> FirstAndFifth(byte* rows, long stride) => Vector256.Create(Vector128.Load(rows), Vector128.Load(rows + (4 * stride))).AsInt32();

    /// <summary>Two bytes of each row, which hold four zero points, the low half of the first byte first; behind the end of a row the second is missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> TwoBytes(byte* rows, long stride, bool second) => Vector256.Create(
        TwoBytes(rows, second), TwoBytes(rows + stride, second), TwoBytes(rows + (2 * stride), second), TwoBytes(rows + (3 * stride), second),
        TwoBytes(rows + (4 * stride), second), TwoBytes(rows + (5 * stride), second), TwoBytes(rows + (6 * stride), second), TwoBytes(rows + (7 * stride), second));

    private static int TwoBytes(byte* bytes, bool second) => second ? *(ushort*)bytes : *bytes;
}
