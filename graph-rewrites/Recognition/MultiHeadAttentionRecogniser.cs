using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// com.microsoft.MultiHeadAttention with separate queries, keys and values, as older model builders and ONNX Runtime's optimizer write it.
/// Inputs: 0 query, 1 key, 2 value, 3 bias of all three, 4 key padding mask, 5 attention bias, 6-7 past.
/// </summary>
internal sealed class MultiHeadAttentionRecogniser : IAttentionRecogniser
{
    private const string Form = "MultiHeadAttention";
    private const int BiasInput = 3;
    private const int MaskInput = 5;
    private const int PastInput = 6;

    public bool LooksFor(Node node) => node.Is(Form, Domains.Microsoft);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        long heads = core.Attributes.Int("num_heads", 0);
        if (core.Input(0) is not { } query || core.Input(1) is not { } key || core.Input(2) is not { } value)
        {
            return Match<AttentionSite>.Fail("queries, keys and values are packed into one operand of five dimensions", core);
        }
        if (core.Input(BiasInput) is { } bias)
        {
            return Match<AttentionSite>.Fail("the biases of the projections are inside the operator", bias);
        }
        if (core.Attributes.Int("unidirectional", 0) == 0 && core.Input(MaskInput) is null && core.Input(PastInput) is null)
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
        long keyValueHeads = paths.Found.Query.Slice.Count == 0 ? 0 : heads * paths.Found.Key.Slice.Count / paths.Found.Query.Slice.Count;
        float? scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : null;
        return SiteParts.Assemble(layer, Form, core, paths.Found, heads, keyValueHeads, output.Found, rotary: null, scale, 
            new QueryOperand(query, HeadLayout.SequenceMajor, IsPacked: false, IsNormalised: true, IsRotated: true), new HeadsValue(core.Output, HeadLayout.SequenceMajor));
    }
}
