using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// com.microsoft.GroupQueryAttention as the GenAI model builder writes it: packed or separate projections in front, the output projection behind.
/// Inputs: 0 query (packed when 1 and 2 are absent), 1 key, 2 value, 3-4 past, 5-6 lengths, 7-8 rotary caches, 9 positions, 10 bias, 11 sinks, 14-15 weights of
/// query and key normalization.
/// </summary>
internal sealed class GroupQueryAttentionRecogniser : IAttentionRecogniser
{
    private const string Form = "GroupQueryAttention";
    private const int LengthInput = 5;
    private const int PositionInput = 9;
    private const int BiasInput = 10;
    private const int SinkInput = 11;
    private const int QueryNormalizationInput = 14;
    private const int KeyNormalizationInput = 15;

    public bool LooksFor(Node node) => node.Is(Form, Domains.Microsoft);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        long heads = core.Attributes.Int("num_heads", 0);
        long keyValueHeads = core.Attributes.Int("kv_num_heads", 0);
        if (SiteParts.WhyNotHeads(heads, keyValueHeads) is { } reason)
        {
            return Match<AttentionSite>.Fail(reason, core);
        }
        if (core.Input(0) is not { } query)
        {
            return Match<AttentionSite>.Fail("the query input is absent", core);
        }
        Match<SitePaths> paths = core.Input(1) is { } key && core.Input(2) is { } value ? SiteParts.Trace(query, key, value) : FindPacked(query, heads, keyValueHeads);
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        Match<Projection> output = ProjectionRecogniser.Reading(core.Output);
        if (!output.Success)
        {
            return Match<AttentionSite>.Fail(output);
        }
        float? scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : null;
        Match<AttentionSite> site = SiteParts.Assemble(layer, Form, core, paths.Found, heads, keyValueHeads, output.Found, FindRotary(core, HeadSizeOf(paths.Found, heads)), scale, 
            new QueryOperand(query, HeadLayout.SequenceMajor, IsPacked: core.Input(1) is null, IsNormalised: core.Input(QueryNormalizationInput) is null, IsRotated: FindRotary(core, 1) is null),
            new HeadsValue(core.Output, HeadLayout.SequenceMajor));
        return !site.Success ? site : site.Found with
        {
            Scores = new ScoreFacts(core.Attributes.Float("softcap", 0), core.Attributes.Int("local_window_size", -1), core.Input(BiasInput), core.Input(SinkInput),
                core.Attributes.Int("smooth_softmax", 0) != 0, core.Attributes.Int("causal", 1) != 0),
            Cache = new CacheFacts(core.Input(3), core.Input(4), core.Outputs.ElementAtOrDefault(1), core.Outputs.ElementAtOrDefault(2)),
            QueryNormalization = NormalizationInside(core, QueryNormalizationInput) ?? site.Found.QueryNormalization,
            KeyNormalization = NormalizationInside(core, KeyNormalizationInput) ?? site.Found.KeyNormalization,
        };
    }

    private static Match<SitePaths> FindPacked(Value packed, long heads, long keyValueHeads)
    {
        Match<Projection> projection = ProjectionRecogniser.Computing(packed);
        if (!projection.Success)
        {
            return Match<SitePaths>.Fail(projection);
        }
        long headSize = projection.Found.OutputSize / (heads + (2 * keyValueHeads));
        if (headSize < 1 || headSize * (heads + (2 * keyValueHeads)) != projection.Found.OutputSize)
        {
            return Match<SitePaths>.Fail($"{projection.Found.OutputSize} packed elements do not divide into {heads} + 2 * {keyValueHeads} heads", packed);
        }
        long queryCount = heads * headSize;
        long keyCount = keyValueHeads * headSize;
        return new SitePaths(
            Part(projection.Found, 0, queryCount),
            Part(projection.Found, queryCount, keyCount),
            Part(projection.Found, queryCount + keyCount, keyCount));
    }

    private static HeadsPath Part(Projection packed, long first, long count) =>
        new(new ProjectionSlice(packed, first, count), Normalization: null, IsRotated: false, RotaryNode: null, IsRepeated: false, Factor: 1, HeadSize: 0);

    private static int HeadSizeOf(SitePaths paths, long heads) => (int)(paths.Query.Slice.Count / heads);

    private static RotaryFacts? FindRotary(Node core, int headSize) =>
        core.Attributes.Int("do_rotary", 0) != 0 && core.Input(7) is { } cosines && core.Input(8) is { } sines
            ? new RotaryFacts(cosines, sines, core.Attributes.Int("rotary_interleaved", 0) != 0)
            {
                RotatedSize = cosines.Initializer is { Shape.Count: 2 } cache ? (int)(2 * cache.Shape[1]) : headSize,
                PositionIds = core.Input(PositionInput),
                SequenceLengths = core.Input(LengthInput),
            }
            : null;

    private static HeadNormalization? NormalizationInside(Node core, int input) =>
        core.Input(input) is { } weight && Constants.Of(weight) is not null ? new HeadNormalization(weight, core.Attributes.Float("qk_norm_epsilon", 1e-6f)) : null;
}
