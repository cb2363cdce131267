using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AlignerOnnx.Kernels;

/// <summary>
/// What <see cref="PanelProduct"/> computes, on processors whose registers hold 256 bits: six lines of a and half of the panel's columns at a time, whose sums stay in twelve of the sixteen registers.
/// The lines that are left over are taken one at a time.
/// </summary>
internal static unsafe class NarrowPanelProduct
{
    private const int Stride = PanelProduct.Columns;
    private const int Together = 16;
    private const int Half = Together / 2;
    private const int LinesAtOnce = 6;

    /// <summary>Computes the product; the arguments are those of <see cref="PanelProduct.Compute"/>.</summary>
    public static void Compute(float* a, long aStride, float* b, int depth, float* c, long cStride, long lines, bool add)
    {
        for (int column = 0; column < Stride; column += Together)
        {
            long line = 0;
            for (; line + LinesAtOnce <= lines; line += LinesAtOnce)
            {
                Lines6(a + (line * aStride), (nint)aStride, b + column, depth, c + (line * cStride) + column, (nint)cStride, add);
            }
            for (; line < lines; line++)
            {
                Lines1(a + (line * aStride), b + column, depth, c + (line * cStride) + column, add);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Lines6(float* a, nint aStride, float* b, int depth, float* c, nint cStride, bool add)
    {
        Vector256<float> c0 = Start(c + (0 * cStride), add), d0 = Start(c + (0 * cStride) + Half, add);
        Vector256<float> c1 = Start(c + (1 * cStride), add), d1 = Start(c + (1 * cStride) + Half, add);
        Vector256<float> c2 = Start(c + (2 * cStride), add), d2 = Start(c + (2 * cStride) + Half, add);
        Vector256<float> c3 = Start(c + (3 * cStride), add), d3 = Start(c + (3 * cStride) + Half, add);
        Vector256<float> c4 = Start(c + (4 * cStride), add), d4 = Start(c + (4 * cStride) + Half, add);
        Vector256<float> c5 = Start(c + (5 * cStride), add), d5 = Start(c + (5 * cStride) + Half, add);
        float* a0 = a + (0 * aStride);
        float* a3 = a + (3 * aStride);
        nint twice = 2 * aStride;
        for (float* end = b + (depth * Stride); b < end; b += Stride)
        {
            (Vector256<float> low, Vector256<float> high) = (Vector256.Load(b), Vector256.Load(b + Half));
            Vector256<float> x0 = Vector256.Create(*a0);
            c0 = Vector256.FusedMultiplyAdd(x0, low, c0);
            d0 = Vector256.FusedMultiplyAdd(x0, high, d0);
            Vector256<float> x1 = Vector256.Create(a0[aStride]);
            c1 = Vector256.FusedMultiplyAdd(x1, low, c1);
            d1 = Vector256.FusedMultiplyAdd(x1, high, d1);
            Vector256<float> x2 = Vector256.Create(a0[twice]);
            c2 = Vector256.FusedMultiplyAdd(x2, low, c2);
            d2 = Vector256.FusedMultiplyAdd(x2, high, d2);
            Vector256<float> x3 = Vector256.Create(*a3);
            c3 = Vector256.FusedMultiplyAdd(x3, low, c3);
            d3 = Vector256.FusedMultiplyAdd(x3, high, d3);
            Vector256<float> x4 = Vector256.Create(a3[aStride]);
            c4 = Vector256.FusedMultiplyAdd(x4, low, c4);
            d4 = Vector256.FusedMultiplyAdd(x4, high, d4);
            Vector256<float> x5 = Vector256.Create(a3[twice]);
            c5 = Vector256.FusedMultiplyAdd(x5, low, c5);
            d5 = Vector256.FusedMultiplyAdd(x5, high, d5);
            a0++;
            a3++;
        }
        Store(c0, d0, c + (0 * cStride));
        Store(c1, d1, c + (1 * cStride));
        Store(c2, d2, c + (2 * cStride));
        Store(c3, d3, c + (3 * cStride));
        Store(c4, d4, c + (4 * cStride));
        Store(c5, d5, c + (5 * cStride));
    }
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Lines1(float* a, float* b, int depth, float* c, bool add)
    {
        Vector256<float> c0 = Start(c, add), d0 = Start(c + Half, add);
        for (float* end = b + (depth * Stride); b < end; b += Stride)
        {
            Vector256<float> x0 = Vector256.Create(*a);
            c0 = Vector256.FusedMultiplyAdd(x0, Vector256.Load(b), c0);
            d0 = Vector256.FusedMultiplyAdd(x0, Vector256.Load(b + Half), d0);
            a++;
        }
        Store(c0, d0, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Start(float* c, bool add) => add ? Vector256.Load(c) : Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> low, Vector256<float> high, float* c)
    {
        low.Store(c);
        high.Store(c + Half);
    }
}
