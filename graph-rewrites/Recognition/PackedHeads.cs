using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Operands of cores that take queries, keys and values apart, or side by side in the first operand (GroupQueryAttention, PagedAttention).</summary>
internal static class PackedHeads
{
    /// <summary>Whether the first operand holds all three.</summary>
    public static bool IsPacked(Node core) => core.Input(1) is null && core.Input(2) is null;

    /// <summary>The ways of queries, keys and values to a core.</summary>
    public static Match<HeadsPath[]> Trace(TracedHeads traced, Node core, long heads, long keyValueHeads) =>
        core.Input(0) is not { } query ? Match<HeadsPath[]>.Fail("the query input is absent", core)
        : !SiteParts.IsHeadCount(heads) || !SiteParts.IsHeadCount(keyValueHeads) ? Match<HeadsPath[]>.Fail($"num_heads {heads} or kv_num_heads {keyValueHeads} is out of range", core)
        : IsPacked(core) ? Cut(HeadsPath.To(query), heads, keyValueHeads, query)
        : core.Input(1) is { } key && core.Input(2) is { } value
        ? traced.To(new HeadsOperand(query, heads, HeadLayout.SequenceMajor), new HeadsOperand(key, keyValueHeads, HeadLayout.SequenceMajor), new HeadsOperand(value, keyValueHeads, HeadLayout.SequenceMajor))
        : Match<HeadsPath[]>.Fail("the core takes queries without keys or values: it shares those of another layer", core);

    private static Match<HeadsPath[]> Cut(Match<HeadsPath> packed, long heads, long keyValueHeads, Value operand)
    {
        if (!packed.Success)
        {
            return Match<HeadsPath[]>.Fail(packed);
        }
        ProjectionSlice whole = packed.Found.Slice;
        long all = heads + (2 * keyValueHeads);
        if (whole.Count % all != 0 || packed.Found is { IsRotated: true } or { Normalization: not null } or { Factor: not 1 })
        {
            return Match<HeadsPath[]>.Fail($"{whole.Count} packed elements do not divide into {heads} + 2 * {keyValueHeads} heads, or are changed together", operand);
        }
        long size = whole.Count / all;
        return new[] { Part(packed.Found, 0, heads * size), Part(packed.Found, heads * size, keyValueHeads * size), Part(packed.Found, (heads + keyValueHeads) * size, keyValueHeads * size) };
    }

    private static HeadsPath Part(HeadsPath packed, long first, long count)
    {
        BiasPart? late = packed.Slice.LateBias is { } bias ? bias with { First = bias.First + first } : null;
        return packed with { Slice = new ProjectionSlice(packed.Slice.Projection, packed.Slice.First + first, count) { LateBias = late } };
    }
}
