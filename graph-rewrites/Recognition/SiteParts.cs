using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>What is checked alike in every attention form: that queries, keys, values and output projection fit each other.</summary>
internal static class SiteParts
{
    public const int MostHeads = 4096;

    /// <summary>Whether head counts make sense; the reason where they do not.</summary>
    public static string? WhyNotHeads(long heads, long keyValueHeads) =>
        heads is < 1 or > MostHeads || keyValueHeads is < 1 or > MostHeads || heads % keyValueHeads != 0
            ? $"num_heads {heads} is not a multiple of kv_num_heads {keyValueHeads}"
            : null;

    /// <summary>Paths of queries, keys and values from three separate operands.</summary>
    public static Match<SitePaths> Trace(Value query, Value key, Value value)
    {
        Match<HeadsPath>[] found = [HeadsPath.To(query), HeadsPath.To(key), HeadsPath.To(value)];
        if (Array.Find(found, match => !match.Success) is { } missing)
        {
            return Match<SitePaths>.Fail(missing);
        }
        return found[2].Found! is { IsRotated: true } or { Normalization: not null } or { Factor: not 1 }
            ? Match<SitePaths>.Fail("values are changed on their way to the attention", value)
            : new SitePaths(found[0].Found!, found[1].Found!, found[2].Found!);
    }

    /// <summary>A site from its parts, or why they do not fit.</summary>
    public static Match<AttentionSite> Assemble(int layer, string form, Node core, SitePaths paths, long heads, long keyValueHeads, Projection output, RotaryFacts? rotary, float? scale, QueryOperand operand, HeadsValue attended)
    {
        (ProjectionSlice query, ProjectionSlice key, ProjectionSlice value) = (paths.Query.Slice, paths.Key.Slice, paths.Value.Slice);
        if (WhyNotHeads(heads, keyValueHeads) is { } reason)
        {
            return Match<AttentionSite>.Fail(reason, core);
        }
        if (query.Count % heads != 0 || key.Count * heads != query.Count * keyValueHeads || value.Count != key.Count)
        {
            return Match<AttentionSite>.Fail($"projections of {query.Count}, {key.Count} and {value.Count} elements do not fit {heads} and {keyValueHeads} heads", core);
        }
        if (output.InputSize != query.Count)
        {
            return Match<AttentionSite>.Fail($"the output projection takes {output.InputSize} elements, the heads give {query.Count}", output.Node);
        }
        if (key.Projection.InputSize != value.Projection.InputSize || query.Projection.Source != key.Projection.Source || query.Projection.Source != value.Projection.Source)
        {
            return Match<AttentionSite>.Fail("queries, keys and values are not projected from the same value (cross attention?)", key.Projection.Node);
        }
        if (output.OutputSize != key.Projection.InputSize)
        {
            return Match<AttentionSite>.Fail($"the output projection gives {output.OutputSize} elements, the hidden size is {key.Projection.InputSize}", output.Node);
        }
        int headSize = (int)(query.Count / heads);
        HeadNormalization? keyNormalization = paths.Key.Normalization;
        if (keyNormalization is not null && Constants.Of(keyNormalization.Weight)!.Count is var length && length != headSize && length != key.Count)
        {
            return Match<AttentionSite>.Fail($"the normalization of keys has {length} weights, for heads of {headSize}", keyNormalization.Weight);
        }
        return new AttentionSite(layer, form, core, (int)heads, (int)keyValueHeads, headSize, scale ?? 1 / MathF.Sqrt(headSize), query, key, value, output, rotary ?? RotaryBefore(paths, headSize))
        {
            QueryOperand = operand,
            QueryNormalization = OverHead(paths.Query.Normalization, headSize),
            KeyNormalization = OverHead(keyNormalization, headSize),
            Attended = attended,
        };
    }

    private static HeadNormalization? OverHead(HeadNormalization? normalization, int headSize) =>
        normalization is null ? null : normalization with { PerHead = Constants.Of(normalization.Weight)!.Count == headSize };

    /// <summary>The RotaryEmbedding nodes before the core: com.microsoft takes positions before the caches, ai.onnx behind them.</summary>
    private static RotaryFacts? RotaryBefore(SitePaths paths, int headSize)
    {
        if (paths.Query.RotaryNode is not { } node)
        {
            return null;
        }
        bool microsoft = node.Domain == Domains.Microsoft;
        return node.Input(microsoft ? 2 : 1) is { } cosines && node.Input(microsoft ? 3 : 2) is { } sines
            ? new RotaryFacts(cosines, sines, node.Attributes.Int("interleaved", 0) != 0)
            {
                IsInsideCore = false,
                RotatedSize = node.Attributes.Int("rotary_embedding_dim", 0) is var given and > 0 && given < headSize ? (int)given : headSize,
                QueryNode = node,
                KeyNode = paths.Key.RotaryNode,
                PositionIds = node.Input(microsoft ? 1 : 3),
            }
            : null;
    }
}

/// <summary>The ways of queries, keys and values to one attention core.</summary>
internal sealed record SitePaths(HeadsPath Query, HeadsPath Key, HeadsPath Value);
