using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>
/// Attention of some queries to the keys and values of one head, in pieces that stay in the nearest cache: the largest score so far and the sum of exponentials go along, and what was summed is scaled down
/// when a larger score comes (Milakov and Gimelshein, arXiv 1805.02867).
/// </summary>
internal unsafe ref struct AttentionTile
{
    /// <summary>The most queries of a tile.</summary>
    public const int MostQueries = 32;

    private const int Piece = 64;
    private const int Width = 8;
    private const int KeysAtOnce = 4;

    /// <summary>Queries [count, head size], rotated and scaled.</summary>
    public float* Queries;

    /// <summary>Keys [positions, head size].</summary>
    public float* Keys;

    /// <summary>Values [positions, head size].</summary>
    public float* Values;

    /// <summary>A multiple of 8.</summary>
    public int HeadSize;

    /// <summary>Queries, at most <see cref="MostQueries"/>.</summary>
    public int Count;

    /// <summary>Computes what each query gets.</summary>
    /// <param name="ends">For each query the first position behind those that it sees; none is smaller than the one before.</param>
    /// <param name="window">How many positions before its end a query sees at most.</param>
    /// <param name="outputs">For each query where its [head size] go.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Compute(long* ends, long window, float** outputs)
    {
        float* scores = stackalloc float[MostQueries * Piece];
        float* largest = stackalloc float[MostQueries];
        float* sums = stackalloc float[MostQueries];
        for (int query = 0; query < Count; query++)
        {
            (largest[query], sums[query]) = (float.NegativeInfinity, 0);
            new Span<float>(outputs[query], HeadSize).Clear();
        }
        for (long first = Math.Max(ends[0] - window, 0); first < ends[Count - 1]; first += Piece)
        {
            int positions = (int)Math.Min(Piece, ends[Count - 1] - first);
            Score(first, positions, scores);
            for (int query = 0; query < Count; query++)
            {
                int from = (int)Math.Clamp(ends[query] - window - first, 0, positions), to = (int)Math.Clamp(ends[query] - first, from, positions);
                Weigh(scores + (query * Piece), from, to, positions, ref largest[query], ref sums[query], outputs[query]);
            }
            Accumulate(first, positions, scores, outputs);
        }
        for (int query = 0; query < Count; query++)
        {
            Scale(outputs[query], 1 / sums[query]);
        }
    }

    private readonly void Score(long first, int positions, float* scores)
    {
        float* keys = Keys + (first * HeadSize);
        int query = 0;
        for (; query + 1 < Count; query += 2)
        {
            ScoreTwo(Queries + (query * HeadSize), keys, positions, scores + (query * Piece));
        }
        if (query < Count)
        {
            ScoreOne(Queries + (query * HeadSize), keys, positions, scores + (query * Piece));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void ScoreTwo(float* queries, float* keys, int positions, float* scores)
    {
        int size = HeadSize;
        for (int position = 0; position < positions; position += KeysAtOnce)
        {
            // Behind the last key it is read again: what is behind it may not be memory.
            float* a = keys + (position * size), b = keys + (Math.Min(position + 1, positions - 1) * size), c = keys + (Math.Min(position + 2, positions - 1) * size), d = keys + (Math.Min(position + 3, positions - 1) * size);
            Vector256<float> a0 = default, b0 = default, c0 = default, d0 = default, a1 = default, b1 = default, c1 = default, d1 = default;
            for (int i = 0; i < size; i += Width)
            {
                Vector256<float> first = Vector256.Load(queries + i), second = Vector256.Load(queries + size + i), key = Vector256.Load(a + i);
                a0 = Vector256.FusedMultiplyAdd(first, key, a0);
                a1 = Vector256.FusedMultiplyAdd(second, key, a1);
                key = Vector256.Load(b + i);
                b0 = Vector256.FusedMultiplyAdd(first, key, b0);
                b1 = Vector256.FusedMultiplyAdd(second, key, b1);
                key = Vector256.Load(c + i);
                c0 = Vector256.FusedMultiplyAdd(first, key, c0);
                c1 = Vector256.FusedMultiplyAdd(second, key, c1);
                key = Vector256.Load(d + i);
                d0 = Vector256.FusedMultiplyAdd(first, key, d0);
                d1 = Vector256.FusedMultiplyAdd(second, key, d1);
            }
            Sums(a0, b0, c0, d0).Store(scores + position);
            Sums(a1, b1, c1, d1).Store(scores + Piece + position);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void ScoreOne(float* query, float* keys, int positions, float* scores)
    {
        int size = HeadSize;
        for (int position = 0; position < positions; position += KeysAtOnce)
        {
            float* a = keys + (position * size), b = keys + (Math.Min(position + 1, positions - 1) * size), c = keys + (Math.Min(position + 2, positions - 1) * size), d = keys + (Math.Min(position + 3, positions - 1) * size);
            Vector256<float> a0 = default, b0 = default, c0 = default, d0 = default;
            for (int i = 0; i < size; i += Width)
            {
                Vector256<float> x = Vector256.Load(query + i);
                a0 = Vector256.FusedMultiplyAdd(x, Vector256.Load(a + i), a0);
                b0 = Vector256.FusedMultiplyAdd(x, Vector256.Load(b + i), b0);
                c0 = Vector256.FusedMultiplyAdd(x, Vector256.Load(c + i), c0);
                d0 = Vector256.FusedMultiplyAdd(x, Vector256.Load(d + i), d0);
            }
            Sums(a0, b0, c0, d0).Store(scores + position);
        }
    }

    /// <summary>Makes a query's scores exponentials, zero where it sees nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Weigh(float* scores, int from, int to, int positions, ref float largest, ref float sum, float* output)
    {
        int padded = (positions + Width - 1) / Width * Width;
        if (from == to)
        {
            new Span<float>(scores, padded).Clear();
            return;
        }
        new Span<float>(scores, from).Fill(float.NegativeInfinity);
        new Span<float>(scores + to, padded - to).Fill(float.NegativeInfinity);
        float before = largest;
        largest = Math.Max(before, Largest(scores, padded));
        if (largest > before && sum > 0)
        {
            float shrink = MathF.Exp(before - largest);
            sum *= shrink;
            Scale(output, shrink);
        }
        Vector256<float> total = default, top = Vector256.Create(largest);
        for (int i = 0; i < padded; i += Width)
        {
            Vector256<float> weight = Exponential.OfNegative(Vector256.Load(scores + i) - top);
            weight.Store(scores + i);
            total += weight;
        }
        sum += Vector256.Sum(total);
    }

    private static float Largest(float* scores, int count)
    {
        Vector256<float> largest = Vector256.Load(scores);
        for (int i = Width; i < count; i += Width)
        {
            largest = Vector256.MaxNative(largest, Vector256.Load(scores + i));
        }
        return Horizontal.Largest(largest);
    }

    private readonly void Accumulate(long first, int positions, float* weights, float** outputs)
    {
        float* values = Values + (first * HeadSize);
        int query = 0;
        for (; query + 1 < Count; query += 2)
        {
            AccumulateTwo(values, positions, weights + (query * Piece), outputs[query], outputs[query + 1]);
        }
        if (query < Count)
        {
            AccumulateOne(values, positions, weights + (query * Piece), outputs[query]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AccumulateTwo(float* values, int positions, float* weights, float* first, float* second)
    {
        int size = HeadSize, i = 0;
        for (; i + (4 * Width) <= size; i += 4 * Width)
        {
            Vector256<float> a0 = Vector256.Load(first + i), b0 = Vector256.Load(first + i + Width), c0 = Vector256.Load(first + i + (2 * Width)), d0 = Vector256.Load(first + i + (3 * Width));
            Vector256<float> a1 = Vector256.Load(second + i), b1 = Vector256.Load(second + i + Width), c1 = Vector256.Load(second + i + (2 * Width)), d1 = Vector256.Load(second + i + (3 * Width));
            float* value = values + i;
            for (int position = 0; position < positions; position++, value += size)
            {
                Vector256<float> x = Vector256.Create(weights[position]), y = Vector256.Create(weights[Piece + position]), four = Vector256.Load(value);
                a0 = Vector256.FusedMultiplyAdd(x, four, a0);
                a1 = Vector256.FusedMultiplyAdd(y, four, a1);
                four = Vector256.Load(value + Width);
                b0 = Vector256.FusedMultiplyAdd(x, four, b0);
                b1 = Vector256.FusedMultiplyAdd(y, four, b1);
                four = Vector256.Load(value + (2 * Width));
                c0 = Vector256.FusedMultiplyAdd(x, four, c0);
                c1 = Vector256.FusedMultiplyAdd(y, four, c1);
                four = Vector256.Load(value + (3 * Width));
                d0 = Vector256.FusedMultiplyAdd(x, four, d0);
                d1 = Vector256.FusedMultiplyAdd(y, four, d1);
            }
            Store(first + i, a0, b0, c0, d0);
            Store(second + i, a1, b1, c1, d1);
        }
        AccumulateRest(values, positions, weights, first, i);
        AccumulateRest(values, positions, weights + Piece, second, i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AccumulateOne(float* values, int positions, float* weights, float* output)
    {
        int size = HeadSize, i = 0;
        for (; i + (4 * Width) <= size; i += 4 * Width)
        {
            Vector256<float> a = Vector256.Load(output + i), b = Vector256.Load(output + i + Width), c = Vector256.Load(output + i + (2 * Width)), d = Vector256.Load(output + i + (3 * Width));
            float* value = values + i;
            for (int position = 0; position < positions; position++, value += size)
            {
                Vector256<float> x = Vector256.Create(weights[position]);
                a = Vector256.FusedMultiplyAdd(x, Vector256.Load(value), a);
                b = Vector256.FusedMultiplyAdd(x, Vector256.Load(value + Width), b);
                c = Vector256.FusedMultiplyAdd(x, Vector256.Load(value + (2 * Width)), c);
                d = Vector256.FusedMultiplyAdd(x, Vector256.Load(value + (3 * Width)), d);
            }
            Store(output + i, a, b, c, d);
        }
        AccumulateRest(values, positions, weights, output, i);
    }

    /// <summary>The elements of a head that are not in fours of registers.</summary>
    private readonly void AccumulateRest(float* values, int positions, float* weights, float* output, int from)
    {
        for (int i = from; i < HeadSize; i += Width)
        {
            Vector256<float> sum = Vector256.Load(output + i);
            for (int position = 0; position < positions; position++)
            {
                sum = Vector256.FusedMultiplyAdd(Vector256.Create(weights[position]), Vector256.Load(values + (position * HeadSize) + i), sum);
            }
            sum.Store(output + i);
        }
    }

    private readonly void Scale(float* output, float factor)
    {
        for (int i = 0; i < HeadSize; i += Width)
        {
            (Vector256.Load(output + i) * factor).Store(output + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* output, Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        a.Store(output);
        b.Store(output + Width);
        c.Store(output + (2 * Width));
        d.Store(output + (3 * Width));
    }

    /// <summary>The sums of four registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sums(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> halves = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
        return halves.GetLower() + halves.GetUpper();
    }
}
