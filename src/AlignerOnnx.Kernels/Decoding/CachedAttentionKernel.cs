using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>
/// Attention of the newest positions of each row to all of the row, with keys and values in a cache. First each key/value head's new keys and values are stored and its queries rotated; then each thread takes
/// some queries of one key/value head.
/// </summary>
internal sealed unsafe class CachedAttentionKernel : OperatorKernel
{
    private const nuint CacheLine = 64;

    public override string Name => KernelOperators.CachedAttention;

    public override int InputCount => 9;

    public override int RequiredInputs => 5;

    public override int OutputCount => 3;

    public override IReadOnlyList<string> Attributes => ["heads", "key_value_heads", "window", "interleaved"];

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        Work work = WorkOf(context, attributes);
        work.Queries = (float*)NativeMemory.AlignedAlloc((nuint)(work.Rows * work.Positions * work.Heads * work.HeadSize * sizeof(float)), CacheLine);
        try
        {
            long heads = work.Rows * work.KeyValueHeads;
            if (work.Tiles == 1)
            {
                context.ParallelFor(&StoreAndAttend, heads, &work);
            }
            else
            {
                context.ParallelFor(&Store, heads, &work);
                context.ParallelFor(&Attend, heads * work.Tiles, &work);
            }
        }
        finally
        {
            NativeMemory.AlignedFree(work.Queries);
        }
    }

    private Work WorkOf(KernelContext context, ReadOnlySpan<long> attributes)
    {
        (long[] queries, long[] cache) = (context.Shape(0), context.Shape(1));
        Work work = new()
        {
            Rows = queries[0],
            Positions = queries[1],
            Heads = attributes[0],
            KeyValueHeads = attributes[1],
            Window = attributes[2] == 0 ? long.MaxValue : attributes[2],
            Capacity = cache[2],
            HeadSize = cache[3],
            Lengths = context.Input<int>(3),
            Scale = *context.Input<float>(4),
        };
        RequireSame(cache[0], work.Rows, "rows of the cache");
        RequireSame(cache[1], work.KeyValueHeads, "key/value heads of the cache");
        RequireSame(work.HeadSize % KernelOperators.HeadSizeStep, 0, $"the head size modulo {KernelOperators.HeadSizeStep}");
        RequireSame(context.Count(2), CountOf(cache), "the number of past values");
        RequireSame(context.Count(3), work.Rows, "the number of lengths");
        SetOperands(context, queries[2], ref work);
        SetRotation(context, attributes[3] != 0, ref work);
        RequireRoom(work);
        long[] attended = [work.Rows, work.Positions, work.Heads * work.HeadSize];
        work.Attended = context.Output(0, attended);
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
            long count = work.Rows * work.Positions * work.KeyValueHeads * work.HeadSize;
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

    /// <summary>Refuses lengths whose positions are not in the cache or not in the tables of the rotation: memory of others would be read.</summary>
    private void RequireRoom(in Work work)
    {
        long most = work.Rotation.Cosines is null ? work.Capacity : Math.Min(work.Capacity, work.Rotation.Positions);
        for (long row = 0; row < work.Rows; row++)
        {
            if (work.PastOf(row) < 0 || work.Lengths[row] >= most)
            {
                throw new InvalidOperationException($"{Name}: row {row} has {work.Lengths[row] + 1L} positions with the {work.Positions} new ones, expected {work.Positions} to {most}");
            }
        }
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
        Work* work = (Work*)arguments;
        work->StoreHead((long)index);
        work->AttendTile((long)index, 0);
    }

    [UnmanagedCallersOnly]
    private static void Store(void* arguments, nuint index) => ((Work*)arguments)->StoreHead((long)index);

    [UnmanagedCallersOnly]
    private static void Attend(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        (long head, long tile) = Math.DivRem((long)index, work->Tiles);
        work->AttendTile(head, tile);
    }

    /// <summary>Heads side by side of new positions.</summary>
    /// <param name="First">The first head of the first position.</param>
    /// <param name="Stride">Elements from a position to the next.</param>
    private readonly record struct NewHeads(nint First, long Stride)
    {
        public NewHeads(float* first, long stride) : this((nint)first, stride)
        {
        }

        public float* At(long position, long head, long headSize) => (float*)First + (position * Stride) + (head * headSize);
    }

    private struct Work
    {
        public long Rows;
        public long Positions;
        public long Heads;
        public long KeyValueHeads;
        public long HeadSize;
        public long Capacity;
        public long Window;
        public float Scale;
        public int* Lengths;
        public NewHeads NewQueries;
        public NewHeads NewKeys;
        public NewHeads NewValues;
        public Rotation Rotation;
        public float* PresentKeys;
        public float* PresentValues;
        public float* Attended;

        /// <summary>Rotated and scaled queries [b, G, s, H / G, d]: those that read one key/value head together.</summary>
        public float* Queries;

        /// <summary>Query heads that read one key/value head.</summary>
        public readonly long Group => Heads / KeyValueHeads;

        /// <summary>Parts of the queries of one key/value head.</summary>
        public readonly long Tiles => ((Positions * Group) + AttentionTile.MostQueries - 1) / AttentionTile.MostQueries;

        public readonly long PastOf(long row) => Lengths[row] + 1L - Positions;

        public readonly void StoreHead(long index)
        {
            (long row, long head) = Math.DivRem(index, KeyValueHeads);
            long past = PastOf(row);
            for (long position = 0; position < Positions; position++)
            {
                long place = ((index * Capacity) + past + position) * HeadSize;
                Rotation.Apply(NewKeys.At((row * Positions) + position, head, HeadSize), past + position, 1, PresentKeys + place, (int)HeadSize);
                new ReadOnlySpan<float>(NewValues.At((row * Positions) + position, head, HeadSize), (int)HeadSize).CopyTo(new Span<float>(PresentValues + place, (int)HeadSize));
                for (long query = 0; query < Group; query++)
                {
                    Rotation.Apply(NewQueries.At((row * Positions) + position, (head * Group) + query, HeadSize), past + position, Scale, QueryAt(index, (position * Group) + query), (int)HeadSize);
                }
            }
        }

        public readonly void AttendTile(long index, long tile)
        {
            (long row, long head) = Math.DivRem(index, KeyValueHeads);
            long first = tile * AttentionTile.MostQueries;
            int count = (int)Math.Min(AttentionTile.MostQueries, (Positions * Group) - first);
            AttentionTile attention = new()
            {
                Queries = QueryAt(index, first),
                Keys = PresentKeys + (index * Capacity * HeadSize),
                Values = PresentValues + (index * Capacity * HeadSize),
                HeadSize = (int)HeadSize,
                Count = count,
            };
            long* ends = stackalloc long[AttentionTile.MostQueries];
            float** outputs = stackalloc float*[AttentionTile.MostQueries];
            for (int query = 0; query < count; query++)
            {
                (long position, long inGroup) = Math.DivRem(first + query, Group);
                ends[query] = PastOf(row) + position + 1;
                outputs[query] = Attended + ((((row * Positions) + position) * Heads) + (head * Group) + inGroup) * HeadSize;
            }
            attention.Compute(ends, Window, outputs);
        }

        private readonly float* QueryAt(long index, long query) => Queries + (((index * Positions * Group) + query) * HeadSize);
    }
}
