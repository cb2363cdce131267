using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Attention forms that are found and reported but cannot be patched, and why.</summary>
internal static class UnsupportedForms
{
    /// <summary>The failure of a core that no recogniser looks for.</summary>
    public static Match<AttentionSite> Explain(Node core) => Match<AttentionSite>.Fail(Reason(core), core);

    private static string Reason(Node core) => core.OpType switch
    {
        "QAttention" => "QAttention computes on integers; its weights are quantised together with its activations",
        "PackedAttention" or "PackedMultiHeadAttention" => $"{core.OpType} takes out the padding of encoders; no decoder is exported with it",
        "SparseAttention" => "SparseAttention (Phi-3-small) lets each head see other blocks of the sequence; it is reported, not patched",
        "DecoderMaskedMultiHeadAttention" or "DecoderMaskedSelfAttention" => $"{core.OpType} is the one-token half of a beam-search export whose prompt runs through another core",
        "LinearAttention" or "GatedDeltaNet" or "CausalConvWithState" => "the layer is linear attention: it has a recurrent state, and no keys or softmax that a token could join",
        _ when AttentionCores.IsUntranslated(core) => "the exporter did not translate PyTorch's scaled_dot_product_attention: no runtime has this operator",
        _ => $"the attention form {core.OpType} is not supported",
    };
}
