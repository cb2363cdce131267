using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// ai.onnx Attention (opset 23 and later), with operands [b, s, H * head size] and head counts as attributes, or [b, H, s, head size].
/// Inputs: 0 query, 1 key, 2 value, 3 mask, 4-5 past.
/// </summary>
internal sealed class StandardAttentionRecogniser : IAttentionRecogniser
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
        if (core.Attributes.Int("is_causal", 0) == 0 && core.Input(MaskInput) is null && core.Input(PastInput) is null)
        {
            return Match<AttentionSite>.Fail("the attention sees the whole sequence: an encoder, not a decoder", core);
        }
        Match<SitePaths> paths = SiteParts.Trace(query, key, value);
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        Match<Projection> output = ProjectionRecogniser.Reading(core.Output);
        if (!output.Success)
        {
            return Match<AttentionSite>.Fail(output);
        }
        long heads = core.Attributes.Int("q_num_heads", 0);
        bool headMajor = heads == 0;
        HeadsPath queries = paths.Found.Query;
        long headSize = headMajor ? queries.HeadSize : queries.Slice.Count / Math.Max(heads, 1);
        if (headSize < 1)
        {
            return Match<AttentionSite>.Fail("the head size cannot be read from the graph", core);
        }
        float? scale = core.Attributes.Has("scale") ? core.Attributes.Float("scale", 0) : null;
        Match<AttentionSite> site = SiteParts.Assemble(layer, "Attention", core, paths.Found, queries.Slice.Count / headSize, paths.Found.Key.Slice.Count / headSize,
            output.Found, rotary: null, scale, 
            new QueryOperand(query, headMajor ? HeadLayout.HeadMajor : HeadLayout.SequenceMajor, IsPacked: false, IsNormalised: true, IsRotated: true),
            new HeadsValue(core.Output, headMajor ? HeadLayout.HeadMajor : HeadLayout.SequenceMajor));
        return site.Success ? site.Found with { Scores = new ScoreFacts(core.Attributes.Float("softcap", 0), Bias: core.Input(MaskInput), IsCausal: core.Attributes.Int("is_causal", 0) != 0) } : site;
    }
}
