using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>
/// Attention of new tokens to all of their row, with keys and values in a cache. Tokens of one row that follow each other are a tile, which each thread computes for one key/value head: it stores the new keys and
/// values, rotates the queries, and attends; where tiles share a row, all store before any attends.
/// </summary>
internal sealed unsafe class CachedAttentionKernel : OperatorKernel
{
    private const nuint CacheLine = 64;

    public override string Name => KernelOperators.CachedAttention;

    public override int InputCount => 10;

    public override int RequiredInputs => 5;

    public override int OutputCount => 3;

    public override IReadOnlyList<string> Attributes => ["heads", "key_value_heads", "window", "interleaved"];

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        Work work = WorkOf(context, attributes);
        nuint queryBytes = (nuint)(work.Count * work.Heads * work.HeadSize * sizeof(float));
        byte* room = (byte*)NativeMemory.AlignedAlloc(queryBytes + (nuint)(work.Count * (sizeof(Token) + sizeof(Tile))), CacheLine);
        try
        {
            work.Queries = (float*)room;
            work.Tokens = (Token*)(room + queryBytes);
            work.Tiles = (Tile*)(work.Tokens + work.Count);
            Place(context, ref work);
            bool shared = Cut(ref work);
            long units = work.TileCount * work.KeyValueHeads;
            if (shared)
            {
                context.ParallelFor(&Store, units, &work);
                context.ParallelFor(&Attend, units, &work);
            }
            else
            {
                context.ParallelFor(&StoreAndAttend, units, &work);
            }
        }
        finally
        {
            NativeMemory.AlignedFree(room);
        }
    }

    private Work WorkOf(KernelContext context, ReadOnlySpan<long> attributes)
    {
        (long[] queries, long[] cache) = (context.Shape(0), context.Shape(1));
        Work work = new()
        {
            Rows = cache[0],
            Positions = queries[1],
            Count = queries[0] * queries[1],
            Heads = attributes[0],
            KeyValueHeads = attributes[1],
            Window = attributes[2] == 0 ? long.MaxValue : attributes[2],
            Capacity = cache[2],
            HeadSize = cache[3],
            Scale = *context.Input<float>(4),
        };
        RequireSame(cache[1], work.KeyValueHeads, "key/value heads of the cache");
        RequireSame(work.HeadSize % KernelOperators.HeadSizeStep, 0, $"the head size modulo {KernelOperators.HeadSizeStep}");
        RequireSame(context.Count(2), CountOf(cache), "the number of past values");
        RequireSame(context.Count(3), queries[0], "the number of lengths");
        SetOperands(context, queries[2], ref work);
        SetRotation(context, attributes[3] != 0, ref work);
        work.Attended = context.Output(0, queries[0], queries[1], work.Heads * work.HeadSize);
        work.PresentKeys = Present(context.Input<float>(1), context.Output(1, cache), CountOf(cache));
        work.PresentValues = Present(context.Input<float>(2), context.Output(2, cache), CountOf(cache));
        return work;
    }

    private void SetOperands(KernelContext context, long width, ref Work work)
    {
        float* queries = context.Input<float>(0);
        float* keys = context.Input<float>(5);
        bool packed = keys is null;
        RequireSame(width, (work.Heads + (packed ? 2 * work.KeyValueHeads : 0)) * work.HeadSize, "the width of the queries");
        if (!packed)
        {
            long count = work.Count * work.KeyValueHeads * work.HeadSize;
            RequireSame(context.Count(5), count, "the number of keys");
            RequireSame(context.Count(6), count, "the number of values");
        }
        work.NewQueries = new NewHeads(queries, width);
        work.NewKeys = packed ? new NewHeads(queries + (work.Heads * work.HeadSize), width) : new NewHeads(keys, work.KeyValueHeads * work.HeadSize);
        work.NewValues = packed ? new NewHeads(queries + ((work.Heads + work.KeyValueHeads) * work.HeadSize), width) : new NewHeads(context.Input<float>(6), work.KeyValueHeads * work.HeadSize);
    }

    private void SetRotation(KernelContext context, bool interleaved, ref Work work)
    {
        float* cosines = context.Input<float>(7);
        if (cosines is null)
        {
            return;
        }
        long[] shape = context.Shape(7);
        RequireSame(context.Count(8), CountOf(shape), "the number of sines");
        work.Rotation = new Rotation(cosines, context.Input<float>(8), shape[0], (int)shape[^1], interleaved);
        if (2 * work.Rotation.Pairs > work.HeadSize || work.Rotation.Pairs % KernelOperators.HeadSizeStep != 0)
        {
            throw new InvalidOperationException($"{Name}: {work.Rotation.Pairs} pairs are rotated, expected a multiple of {KernelOperators.HeadSizeStep} and at most half of the {work.HeadSize} elements of a head");
        }
    }

    /// <summary>Where each token stands. Refuses places that are not in the cache or not in the tables of the rotation: memory of others would be read.</summary>
    private void Place(KernelContext context, ref Work work)
    {
        int* lengths = context.Input<int>(3);
        int* rows = context.Input<int>(9);
        if (rows is null)
        {
            RequireSame(work.Count, work.Rows * work.Positions, "the number of tokens");
        }
        else
        {
            RequireSame(context.Count(9), work.Count / work.Positions, "the number of rows");
        }
        long most = work.Rotation.Cosines is null ? work.Capacity : Math.Min(work.Capacity, work.Rotation.Positions);
        for (long token = 0; token < work.Count; token++)
        {
            (long index, long behindFirst) = Math.DivRem(token, work.Positions);
            long row = rows is null ? index : rows[index], past = lengths[index] + 1L - work.Positions;
            if (past < 0 || lengths[index] >= most || row < 0 || row >= work.Rows)
            {
                throw new InvalidOperationException(
                    $"{Name}: row {row} has {lengths[index] + 1L} positions with the {work.Positions} new ones, expected {work.Positions} to {most} in rows 0 to {work.Rows - 1}");
            }
            work.Tokens[token] = new Token(row, past + behindFirst);
        }
    }

    /// <summary>Cuts tokens into tiles.</summary>
    /// <returns>Whether tiles share a row.</returns>
    private static bool Cut(ref Work work)
    {
        long most = Math.Max(1, AttentionTile.MostQueries / work.Group);
        bool shared = false;
        for (long first = 0; first < work.Count; work.TileCount++)
        {
            long last = first + 1;
            while (last < work.Count && last - first < most && work.Tokens[last].Row == work.Tokens[first].Row)
            {
                last++;
            }
            work.Tiles[work.TileCount] = new Tile(first, last);
            shared |= last < work.Count && work.Tokens[last].Row == work.Tokens[first].Row;
            first = last;
        }
        return shared;
    }

    private static float* Present(float* past, float* present, long count)
    {
        if (present != past)
        {
            new ReadOnlySpan<float>(past, checked((int)count)).CopyTo(new Span<float>(present, (int)count));
        }
        return present;
    }

    [UnmanagedCallersOnly]
    private static void StoreAndAttend(void* arguments, nuint index)
    {
        Store(arguments, (long)index);
        Attend(arguments, (long)index);
    }

    [UnmanagedCallersOnly]
    private static void Store(void* arguments, nuint index) => Store(arguments, (long)index);

    [UnmanagedCallersOnly]
    private static void Attend(void* arguments, nuint index) => Attend(arguments, (long)index);

    private static void Store(void* arguments, long index)
    {
        Work* work = (Work*)arguments;
        (long tile, long head) = Math.DivRem(index, work->KeyValueHeads);
        work->Store(work->Tiles[tile], head);
    }

    private static void Attend(void* arguments, long index)
    {
        Work* work = (Work*)arguments;
        (long tile, long head) = Math.DivRem(index, work->KeyValueHeads);
        work->Attend(work->Tiles[tile], head);
    }

    /// <summary>A new token's place in the cache.</summary>
    private readonly record struct Token(long Row, long Position);

    /// <summary>Tokens First to Last, without it, of one row.</summary>
    private readonly record struct Tile(long First, long Last);

    /// <summary>Heads side by side of new tokens.</summary>
    /// <param name="First">The first head of the first token.</param>
    /// <param name="Stride">Elements from a token to the next.</param>
    private readonly record struct NewHeads(nint First, long Stride)
    {
        public NewHeads(float* first, long stride) : this((nint)first, stride)
        {
        }

        public float* At(long token, long head, long headSize) => (float*)First + (token * Stride) + (head * headSize);
    }

    private struct Work
    {
        public long Rows;
        public long Positions;
        public long Count;
        public long Heads;
        public long KeyValueHeads;
        public long HeadSize;
        public long Capacity;
        public long Window;
        public float Scale;
        public NewHeads NewQueries;
        public NewHeads NewKeys;
        public NewHeads NewValues;
        public Rotation Rotation;
        public float* PresentKeys;
        public float* PresentValues;
        public float* Attended;
        public Token* Tokens;
        public Tile* Tiles;
        public long TileCount;

        /// <summary>Rotated and scaled queries [G, tokens, H / G, d]: those that read one key/value head together.</summary>
        public float* Queries;

        /// <summary>Query heads that read one key/value head.</summary>
        public readonly long Group => Heads / KeyValueHeads;

        public readonly void Store(Tile tile, long head)
        {
            for (long token = tile.First; token < tile.Last; token++)
            {
                (long row, long position) = (Tokens[token].Row, Tokens[token].Position);
                long place = HeadOf(row, head) + (position * HeadSize);
                Rotation.Apply(NewKeys.At(token, head, HeadSize), position, 1, PresentKeys + place, (int)HeadSize);
                new ReadOnlySpan<float>(NewValues.At(token, head, HeadSize), (int)HeadSize).CopyTo(new Span<float>(PresentValues + place, (int)HeadSize));
                for (long query = 0; query < Group; query++)
                {
                    Rotation.Apply(NewQueries.At(token, (head * Group) + query, HeadSize), position, Scale, QueryAt(head, token, query), (int)HeadSize);
                }
            }
        }

        public readonly void Attend(Tile tile, long head)
        {
            long cache = HeadOf(Tokens[tile.First].Row, head);
            AttentionTile attention = new() { Keys = PresentKeys + cache, Values = PresentValues + cache, HeadSize = (int)HeadSize };
            long* ends = stackalloc long[AttentionTile.MostQueries];
            float** outputs = stackalloc float*[AttentionTile.MostQueries];
            long queries = (tile.Last - tile.First) * Group;
            for (long first = 0; first < queries; first += AttentionTile.MostQueries)
            {
                attention.Count = (int)Math.Min(AttentionTile.MostQueries, queries - first);
                attention.Queries = QueryAt(head, tile.First, first);
                for (int query = 0; query < attention.Count; query++)
                {
                    (long token, long inGroup) = Math.DivRem(first + query, Group);
                    token += tile.First;
                    ends[query] = Tokens[token].Position + 1;
                    outputs[query] = Attended + (((token * Heads) + (head * Group) + inGroup) * HeadSize);
                }
                attention.Compute(ends, Window, outputs);
            }
        }

        private readonly long HeadOf(long row, long head) => ((row * KeyValueHeads) + head) * Capacity * HeadSize;

        private readonly float* QueryAt(long head, long token, long query) => Queries + (((((head * Count) + token) * Group) + query) * HeadSize);
    }
}
