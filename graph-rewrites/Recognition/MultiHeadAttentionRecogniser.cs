using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// com.microsoft.MultiHeadAttention, as older model builders and ONNX Runtime's optimizer write it. Inputs: 0 query, or query, key and value of each head side by side
/// [b, s, H, 3, size]; 1 key, or key and value of each head side by side [b, s, H, 2, size]; 2 value; 3 bias of all three; 4 key padding mask; 5 attention bias;
/// 6-7 past. Source: ONNX Runtime's contrib operator documentation.
/// </summary>
/// <param name="traced">Follows operands.</param>
internal sealed class MultiHeadAttentionRecogniser(TracedHeads traced) : IAttentionRecogniser
{
    private const string Form = "MultiHeadAttention";
    private const int BiasInput = 3;
    private const int MaskInput = 5;
    private const int PastInput = 6;

    public bool LooksFor(Node node) => node.Is(Form, Domains.Microsoft);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        long heads = core.Attributes.Int("num_heads", 0);
        if (core.Input(0) is not { } query || !SiteParts.IsHeadCount(heads))
        {
            return Match<AttentionSite>.Fail("the query input is absent, or num_heads is out of range", core);
        }
        Match<HeadsPath[]> paths = Trace(core, query, heads);
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        (HeadsPath queryPath, HeadsPath key, HeadsPath value) = (paths.Found[0], paths.Found[1], paths.Found[2]);
        (Value Past, Value Present)? keys = key.Cache;
        (Value Past, Value Present)? values = value.Cache;
        CacheFacts cache = new(
            core.Input(PastInput) ?? keys?.Past, core.Input(PastInput + 1) ?? values?.Past,
            core.Outputs.ElementAtOrDefault(1) ?? keys?.Present, core.Outputs.ElementAtOrDefault(2) ?? values?.Present);
        ScoreFacts scores = new(Bias: core.Input(MaskInput), IsCausal: core.Attributes.Int("unidirectional", 0) != 0);
        if (CausalMask.WhyNoDecoder(core, scores, cache) is { } reason)
        {
            return Match<AttentionSite>.Fail(reason, core);
        }
        if (core.Input(BiasInput) is not null && paths.Found.Any(path => path.IsRotated || path.Normalization is not null || path.IsRepeated))
        {
            return Match<AttentionSite>.Fail("the core adds a bias after the rotary embedding or normalization", core.Input(BiasInput));
        }
        bool packed = core.Input(1) is null;
        return new SiteParts(layer, Form, core, queryPath, key, value, heads, 0, new HeadsValue(core.Output, HeadLayout.SequenceMajor))
        {
            Scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : null,
            Operand = new QueryOperand(query, packed ? HeadLayout.SequenceHeads : HeadLayout.SequenceMajor, packed, IsNormalised: true, IsRotated: true)
            {
                Interleaved = packed,
                Bias = core.Input(BiasInput),
            },
            Scores = scores,
            Cache = cache,
        }.Assemble();
    }

    private Match<HeadsPath[]> Trace(Node core, Value query, long heads)
    {
        Match<HeadsPath[]> paths = (core.Input(1), core.Input(2)) switch
        {
            ({ } key, { } value) => traced.To(new HeadsOperand(query, heads, HeadLayout.SequenceMajor), Operand(key, heads), Operand(value, heads)),
            ({ } pair, null) => Join(HeadsPath.To(query), SideBySide(HeadsPath.To(pair), 2, heads, pair)),
            _ => SideBySide(HeadsPath.To(query), 3, heads, query),
        };
        return core.Input(BiasInput) is { } bias ? WithBias(paths, bias) : paths;
    }

    /// <summary>Keys and values may be [b, H, s, size]: cross attention, or a cache that was joined before.</summary>
    private static HeadsOperand Operand(Value value, long heads) => Ranks.Of(value) == 4 ? new HeadsOperand(value, 0, HeadLayout.HeadMajor) : new HeadsOperand(value, heads, HeadLayout.SequenceMajor);

    private static Match<HeadsPath[]> Join(Match<HeadsPath> query, Match<HeadsPath[]> others) =>
        !query.Success ? Match<HeadsPath[]>.Fail(query) : !others.Success ? others : new[] { query.Found, others.Found[0], others.Found[1] };

    /// <summary>Parts that stand side by side in each head: element e of part p of head h is h * parts * size + p * size + e.</summary>
    private static Match<HeadsPath[]> SideBySide(Match<HeadsPath> packed, int parts, long heads, Value operand)
    {
        if (!packed.Success)
        {
            return Match<HeadsPath[]>.Fail(packed);
        }
        long size = packed.Found.Slice.Count / (heads * parts);
        return size * heads * parts != packed.Found.Slice.Count || packed.Found is { IsRotated: true } or { Normalization: not null } or { Slice.LateBias: not null }
            ? Match<HeadsPath[]>.Fail($"{packed.Found.Slice.Count} packed elements do not divide into {heads} heads of {parts} parts, or are changed together", operand)
            : Enumerable.Range(0, parts).Select(part => packed.Found with
            {
                Slice = new ProjectionSlice(packed.Found.Slice.Projection, packed.Found.Slice.First + (part * size), heads * size) { BlockStride = parts * size, BlockSize = size },
            }).ToArray();
    }

    /// <summary>The core's own bias: that of the queries, of the keys, of the values behind each other.</summary>
    private static Match<HeadsPath[]> WithBias(Match<HeadsPath[]> paths, Value bias)
    {
        if (!paths.Success)
        {
            return paths;
        }
        if (paths.Found.Any(path => path.Slice.LateBias is not null) || Constants.Vector(bias, paths.Found.Sum(path => path.Slice.Count)) is null)
        {
            return Match<HeadsPath[]>.Fail("the core's bias is not one constant vector for queries, keys and values", bias);
        }
        long first = 0;
        HeadsPath[] biased = [.. paths.Found];
        for (int i = 0; i < biased.Length; i++)
        {
            biased[i] = biased[i] with { Slice = biased[i].Slice with { LateBias = new BiasPart(bias, first) } };
            first += biased[i].Slice.Count;
        }
        return biased;
    }
}
