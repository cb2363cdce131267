using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// com.microsoft.GroupQueryAttention. Inputs: 0 query (queries, keys and values side by side where 1 and 2 are absent), 1 key, 2 value, 3-4 past, 5-6 lengths,
/// 7-8 rotary caches, 9 positions, 10 bias, 11 sinks, 14-15 weights of query and key normalization. Source: ONNX Runtime's contrib operator documentation.
/// </summary>
/// <param name="traced">Follows operands.</param>
internal sealed class GroupQueryAttentionRecogniser(TracedHeads traced) : IAttentionRecogniser
{
    private const string Form = "GroupQueryAttention";
    private const int LengthInput = 5;
    private const int CacheInput = 7;
    private const int PositionInput = 9;
    private const int BiasInput = 10;
    private const int SinkInput = 11;
    private const int NormalizationInput = 14;

    public bool LooksFor(Node node) => node.Is(Form, Domains.Microsoft);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        long heads = core.Attributes.Int("num_heads", 0);
        long keyValueHeads = core.Attributes.Int("kv_num_heads", 0);
        Match<HeadsPath[]> paths = PackedHeads.Trace(traced, core, heads, keyValueHeads);
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        (HeadsPath query, HeadsPath key, HeadsPath value) = (paths.Found[0], paths.Found[1], paths.Found[2]);
        ScoreFacts scores = new(
            core.Attributes.Float("softcap", 0), Math.Max(core.Attributes.Int("local_window_size", -1), -1), core.Input(BiasInput), core.Input(SinkInput),
            core.Attributes.Int("smooth_softmax", 0) > 0, core.Attributes.Int("causal", 1) != 0);
        CacheFacts cache = new(core.Input(3), core.Input(4), core.Outputs.ElementAtOrDefault(1), core.Outputs.ElementAtOrDefault(2));
        if (!scores.IsCausal && CausalMask.WhyNoDecoder(core, scores, CacheFacts.None) is { } reason)
        {
            return Match<AttentionSite>.Fail(reason, core);
        }
        if (core.Attributes.Int("do_rotary", 0) != 0 && (core.Input(CacheInput) is null || core.Input(CacheInput + 1) is null))
        {
            return Match<AttentionSite>.Fail("do_rotary is set and the rotary caches are absent", core);
        }
        RotaryFacts? rotary = Rotary(core, query.Slice.Count / Math.Max(heads, 1));
        (HeadNormalization? Query, HeadNormalization? Key) inside = (NormalizationOf(core, NormalizationInput), NormalizationOf(core, NormalizationInput + 1));
        return new SiteParts(layer, Form, core, query, key, value, heads, keyValueHeads, new HeadsValue(core.Output, HeadLayout.SequenceMajor))
        {
            Scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : null,
            Operand = new QueryOperand(core.Input(0)!, HeadLayout.SequenceMajor, PackedHeads.IsPacked(core), IsNormalised: inside.Query is null, IsRotated: rotary is null),
            RotaryInside = rotary,
            NormalizationInside = inside,
            Scores = scores,
            Cache = cache,
        }.Assemble();
    }

    private static RotaryFacts? Rotary(Node core, long headSize) =>
        core.Attributes.Int("do_rotary", 0) == 0 ? null : new RotaryFacts(core.Input(CacheInput)!, core.Input(CacheInput + 1)!, core.Attributes.Int("rotary_interleaved", 0) != 0)
        {
            RotatedSize = RotaryCaches.RotatedSize(core.Input(CacheInput)!, (int)headSize),
            PositionIds = core.Input(PositionInput),
            SequenceLengths = core.Input(LengthInput),
        };

    private static HeadNormalization? NormalizationOf(Node core, int input) =>
        core.Input(input) is { } weight ? new HeadNormalization(weight, core.Attributes.Float("qk_norm_epsilon", 1e-6f)) : null;
}
