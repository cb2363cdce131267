using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AlignerOnnx.Kernels;

/// <summary>
/// c = a b or c += a b for a panel b of 32 columns, row by row one after the other: twelve lines of a at a time, whose sums stay in 24 registers of 512 bits.
/// The lines that are left over are taken three and one at a time. Without such registers <see cref="NarrowPanelProduct"/> computes the same.
/// </summary>
internal static unsafe class PanelProduct
{
    /// <summary>Columns of a panel: two registers.</summary>
    public const int Columns = AlignerOnnx.GraphRewrites.KernelOperators.PanelColumns;

    /// <summary>Lines that are taken together.</summary>
    public const int LinesAtOnce = 12;

    private const int Half = Columns / 2;

    /// <summary>Computes the product.</summary>
    /// <param name="a">The first line.</param>
    /// <param name="aStride">Elements from a line of a to the next.</param>
    /// <param name="b">The panel, [depth, 32].</param>
    /// <param name="depth">Rows of the panel.</param>
    /// <param name="c">The first line of the result.</param>
    /// <param name="cStride">Elements from a line of c to the next.</param>
    /// <param name="lines">Lines of a and c.</param>
    /// <param name="add">Whether to add to what c holds.</param>
    public static void Compute(float* a, long aStride, float* b, int depth, float* c, long cStride, long lines, bool add)
    {
        if (!Vector512.IsHardwareAccelerated)
        {
            NarrowPanelProduct.Compute(a, aStride, b, depth, c, cStride, lines, add);
            return;
        }
        long line = 0;
        for (; line + LinesAtOnce <= lines; line += LinesAtOnce)
        {
            Lines12(a + (line * aStride), (nint)aStride, b, depth, c + (line * cStride), (nint)cStride, add);
        }
        for (; line + 3 <= lines; line += 3)
        {
            Lines3(a + (line * aStride), (nint)aStride, b, depth, c + (line * cStride), (nint)cStride, add);
        }
        for (; line < lines; line++)
        {
            Lines1(a + (line * aStride), b, depth, c + (line * cStride), add);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Lines12(float* a, nint aStride, float* b, int depth, float* c, nint cStride, bool add)
    {
        Vector512<float> c0 = Start(c + (0 * cStride), add), d0 = Start(c + (0 * cStride) + Half, add);
        Vector512<float> c1 = Start(c + (1 * cStride), add), d1 = Start(c + (1 * cStride) + Half, add);
        Vector512<float> c2 = Start(c + (2 * cStride), add), d2 = Start(c + (2 * cStride) + Half, add);
        Vector512<float> c3 = Start(c + (3 * cStride), add), d3 = Start(c + (3 * cStride) + Half, add);
        Vector512<float> c4 = Start(c + (4 * cStride), add), d4 = Start(c + (4 * cStride) + Half, add);
        Vector512<float> c5 = Start(c + (5 * cStride), add), d5 = Start(c + (5 * cStride) + Half, add);
        Vector512<float> c6 = Start(c + (6 * cStride), add), d6 = Start(c + (6 * cStride) + Half, add);
        Vector512<float> c7 = Start(c + (7 * cStride), add), d7 = Start(c + (7 * cStride) + Half, add);
        Vector512<float> c8 = Start(c + (8 * cStride), add), d8 = Start(c + (8 * cStride) + Half, add);
        Vector512<float> c9 = Start(c + (9 * cStride), add), d9 = Start(c + (9 * cStride) + Half, add);
        Vector512<float> c10 = Start(c + (10 * cStride), add), d10 = Start(c + (10 * cStride) + Half, add);
        Vector512<float> c11 = Start(c + (11 * cStride), add), d11 = Start(c + (11 * cStride) + Half, add);
        float* a0 = a + (0 * aStride);
        float* a3 = a + (3 * aStride);
        float* a6 = a + (6 * aStride);
        float* a9 = a + (9 * aStride);
        nint twice = 2 * aStride;
        for (float* end = b + (depth * Columns); b < end; b += Columns)
        {
            (Vector512<float> low, Vector512<float> high) = (Vector512.Load(b), Vector512.Load(b + Half));
            Vector512<float> x0 = Vector512.Create(*a0);
            c0 = Vector512.FusedMultiplyAdd(x0, low, c0);
            d0 = Vector512.FusedMultiplyAdd(x0, high, d0);
            Vector512<float> x1 = Vector512.Create(a0[aStride]);
            c1 = Vector512.FusedMultiplyAdd(x1, low, c1);
            d1 = Vector512.FusedMultiplyAdd(x1, high, d1);
            Vector512<float> x2 = Vector512.Create(a0[twice]);
            c2 = Vector512.FusedMultiplyAdd(x2, low, c2);
            d2 = Vector512.FusedMultiplyAdd(x2, high, d2);
            Vector512<float> x3 = Vector512.Create(*a3);
            c3 = Vector512.FusedMultiplyAdd(x3, low, c3);
            d3 = Vector512.FusedMultiplyAdd(x3, high, d3);
            Vector512<float> x4 = Vector512.Create(a3[aStride]);
            c4 = Vector512.FusedMultiplyAdd(x4, low, c4);
            d4 = Vector512.FusedMultiplyAdd(x4, high, d4);
            Vector512<float> x5 = Vector512.Create(a3[twice]);
            c5 = Vector512.FusedMultiplyAdd(x5, low, c5);
            d5 = Vector512.FusedMultiplyAdd(x5, high, d5);
            Vector512<float> x6 = Vector512.Create(*a6);
            c6 = Vector512.FusedMultiplyAdd(x6, low, c6);
            d6 = Vector512.FusedMultiplyAdd(x6, high, d6);
            Vector512<float> x7 = Vector512.Create(a6[aStride]);
            c7 = Vector512.FusedMultiplyAdd(x7, low, c7);
            d7 = Vector512.FusedMultiplyAdd(x7, high, d7);
            Vector512<float> x8 = Vector512.Create(a6[twice]);
            c8 = Vector512.FusedMultiplyAdd(x8, low, c8);
            d8 = Vector512.FusedMultiplyAdd(x8, high, d8);
            Vector512<float> x9 = Vector512.Create(*a9);
            c9 = Vector512.FusedMultiplyAdd(x9, low, c9);
            d9 = Vector512.FusedMultiplyAdd(x9, high, d9);
            Vector512<float> x10 = Vector512.Create(a9[aStride]);
            c10 = Vector512.FusedMultiplyAdd(x10, low, c10);
            d10 = Vector512.FusedMultiplyAdd(x10, high, d10);
            Vector512<float> x11 = Vector512.Create(a9[twice]);
            c11 = Vector512.FusedMultiplyAdd(x11, low, c11);
            d11 = Vector512.FusedMultiplyAdd(x11, high, d11);
            a0++;
            a3++;
            a6++;
            a9++;
        }
        Store(c0, d0, c + (0 * cStride));
        Store(c1, d1, c + (1 * cStride));
        Store(c2, d2, c + (2 * cStride));
        Store(c3, d3, c + (3 * cStride));
        Store(c4, d4, c + (4 * cStride));
        Store(c5, d5, c + (5 * cStride));
        Store(c6, d6, c + (6 * cStride));
        Store(c7, d7, c + (7 * cStride));
        Store(c8, d8, c + (8 * cStride));
        Store(c9, d9, c + (9 * cStride));
        Store(c10, d10, c + (10 * cStride));
        Store(c11, d11, c + (11 * cStride));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Lines3(float* a, nint aStride, float* b, int depth, float* c, nint cStride, bool add)
    {
        Vector512<float> c0 = Start(c + (0 * cStride), add), d0 = Start(c + (0 * cStride) + Half, add);
        Vector512<float> c1 = Start(c + (1 * cStride), add), d1 = Start(c + (1 * cStride) + Half, add);
        Vector512<float> c2 = Start(c + (2 * cStride), add), d2 = Start(c + (2 * cStride) + Half, add);
        float* a0 = a + (0 * aStride);
        nint twice = 2 * aStride;
        for (float* end = b + (depth * Columns); b < end; b += Columns)
        {
            (Vector512<float> low, Vector512<float> high) = (Vector512.Load(b), Vector512.Load(b + Half));
            Vector512<float> x0 = Vector512.Create(*a0);
            c0 = Vector512.FusedMultiplyAdd(x0, low, c0);
            d0 = Vector512.FusedMultiplyAdd(x0, high, d0);
            Vector512<float> x1 = Vector512.Create(a0[aStride]);
            c1 = Vector512.FusedMultiplyAdd(x1, low, c1);
            d1 = Vector512.FusedMultiplyAdd(x1, high, d1);
            Vector512<float> x2 = Vector512.Create(a0[twice]);
            c2 = Vector512.FusedMultiplyAdd(x2, low, c2);
            d2 = Vector512.FusedMultiplyAdd(x2, high, d2);
            a0++;
        }
        Store(c0, d0, c + (0 * cStride));
        Store(c1, d1, c + (1 * cStride));
        Store(c2, d2, c + (2 * cStride));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Lines1(float* a, float* b, int depth, float* c, bool add)
    {
        Vector512<float> c0 = Start(c, add), d0 = Start(c + Half, add);
        for (float* end = b + (depth * Columns); b < end; b += Columns)
        {
            (Vector512<float> low, Vector512<float> high) = (Vector512.Load(b), Vector512.Load(b + Half));
            Vector512<float> x0 = Vector512.Create(*a);
            c0 = Vector512.FusedMultiplyAdd(x0, low, c0);
            d0 = Vector512.FusedMultiplyAdd(x0, high, d0);
            a++;
        }
        Store(c0, d0, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Start(float* c, bool add) => add ? Vector512.Load(c) : Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> low, Vector512<float> high, float* c)
    {
        low.Store(c);
        high.Store(c + Half);
    }
}
