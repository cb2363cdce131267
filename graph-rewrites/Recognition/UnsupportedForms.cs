using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Attention forms that are found and reported but cannot be patched, and why.</summary>
internal static class UnsupportedForms
{
    /// <summary>The failure of a core that no recogniser looks for.</summary>
    public static Match<AttentionSite> Explain(Node core) => Match<AttentionSite>.Fail(Reason(core), core);

    private static string Reason(Node core) => core.OpType switch
    {
        "Attention" or "QAttention" or "PackedAttention" => $"{core.OpType} projects queries, keys and values inside the operator (GPT-2 and BERT exports), which no LLaMA-family export does",
        "PagedAttention" => "PagedAttention works on tokens without a batch dimension, which slots need",
        "LinearAttention" or "GatedDeltaNet" => "the layer is linear attention: it has a recurrent state, not keys and a softmax",
        _ => $"the attention form {core.OpType} is not supported",
    };
}
