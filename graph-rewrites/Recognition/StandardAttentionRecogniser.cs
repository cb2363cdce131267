using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// ai.onnx Attention (opset 23 and later), with operands [b, s, heads * size] and head counts as attributes, or [b, heads, s, size].
/// Inputs: 0 query, 1 key, 2 value, 3 mask, 4-5 past.
/// </summary>
/// <param name="traced">Follows operands.</param>
internal sealed class StandardAttentionRecogniser(TracedHeads traced) : IAttentionRecogniser
{
    private const int MaskInput = 3;
    private const int PastInput = 4;

    public bool LooksFor(Node node) => node.Is("Attention");

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        if (core.Input(0) is not { } query || core.Input(1) is not { } key || core.Input(2) is not { } value)
        {
            return Match<AttentionSite>.Fail("queries, keys or values are absent", core);
        }
        (long heads, long keyValueHeads) = (core.Attributes.Int("q_num_heads", 0), core.Attributes.Int("kv_num_heads", 0));
        HeadLayout layout = heads == 0 ? HeadLayout.HeadMajor : HeadLayout.SequenceMajor;
        Match<HeadsPath[]> paths = traced.To(new HeadsOperand(query, heads, layout), new HeadsOperand(key, keyValueHeads, layout), new HeadsOperand(value, keyValueHeads, layout));
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        (Value Past, Value Present)? keys = paths.Found[1].Cache;
        (Value Past, Value Present)? values = paths.Found[2].Cache;
        CacheFacts cache = new(
            core.Input(PastInput) ?? keys?.Past, core.Input(PastInput + 1) ?? values?.Past,
            core.Outputs.ElementAtOrDefault(1) ?? keys?.Present, core.Outputs.ElementAtOrDefault(2) ?? values?.Present);
        ScoreFacts scores = new(core.Attributes.Float("softcap", 0), Bias: core.Input(MaskInput), IsCausal: core.Attributes.Int("is_causal", 0) != 0);
        if (CausalMask.WhyNoDecoder(core, scores, cache) is { } reason)
        {
            return Match<AttentionSite>.Fail(reason, core);
        }
        return new SiteParts(layer, "Attention", core, paths.Found[0], paths.Found[1], paths.Found[2], heads, keyValueHeads, new HeadsValue(core.Output, layout))
        {
            Scale = core.Attributes.Has("scale") ? core.Attributes.Float("scale", 0) : null,
            Operand = new QueryOperand(query, layout, IsPacked: false, IsNormalised: true, IsRotated: true),
            Scores = scores,
            Cache = cache,
        }.Assemble();
    }
}
