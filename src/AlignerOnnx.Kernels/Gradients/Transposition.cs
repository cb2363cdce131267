using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>Makes columns of lines, eight of them and eight of their elements at a time in registers.</summary>
internal static unsafe class Transposition
{
    /// <summary>What numbers of lines and of elements are multiples of.</summary>
    public const int Step = 8;

    /// <summary>Transposes lines [count, length] into [length, count].</summary>
    /// <param name="lines">The first line.</param>
    /// <param name="lineStride">Elements from a line to the next.</param>
    /// <param name="count">Lines; a multiple of eight.</param>
    /// <param name="length">Elements of a line; a multiple of eight.</param>
    /// <param name="output">The result, without gaps.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(float* lines, int lineStride, int count, int length, float* output)
    {
        for (int element = 0; element < length; element += Step)
        {
            for (int line = 0; line < count; line += Step)
            {
                Block(lines + (line * lineStride) + element, lineStride, output + (element * count) + line, count);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Block(float* from, int fromStride, float* to, int toStride)
    {
        (Vector256<float> a0, Vector256<float> a1, Vector256<float> a2, Vector256<float> a3) = Half(from, fromStride);
        (Vector256<float> b0, Vector256<float> b1, Vector256<float> b2, Vector256<float> b3) = Half(from + 4, fromStride);
        a0.Store(to);
        a1.Store(to + toStride);
        a2.Store(to + (2 * toStride));
        a3.Store(to + (3 * toStride));
        to += 4 * toStride;
        b0.Store(to);
        b1.Store(to + toStride);
        b2.Store(to + (2 * toStride));
        b3.Store(to + (3 * toStride));
    }

    /// <summary>Four elements of eight lines as four columns: lines four apart share a register, so that none crosses its middle.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Half(float* from, int stride)
    {
        Vector256<float> x0 = Pair(from, 4 * stride), x1 = Pair(from + stride, 4 * stride), x2 = Pair(from + (2 * stride), 4 * stride), x3 = Pair(from + (3 * stride), 4 * stride);
        Vector256<double> low01 = Avx.UnpackLow(x0, x1).AsDouble(), high01 = Avx.UnpackHigh(x0, x1).AsDouble(), low23 = Avx.UnpackLow(x2, x3).AsDouble(), high23 = Avx.UnpackHigh(x2, x3).AsDouble();
        return (Avx.UnpackLow(low01, low23).AsSingle(), Avx.UnpackHigh(low01, low23).AsSingle(), Avx.UnpackLow(high01, high23).AsSingle(), Avx.UnpackHigh(high01, high23).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Pair(float* first, int distance) => Vector256.Create(Vector128.Load(first), Vector128.Load(first + distance));
}
