using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Which nodes compute attention, recognised or not: everything that is reported.</summary>
internal static class AttentionCores
{
    private static readonly HashSet<string> Fused =
        ["GroupQueryAttention", "MultiHeadAttention", "Attention", "PagedAttention", "SparseAttention", "DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention", "PackedMultiHeadAttention"];

    /// <summary>Whether a node is an attention core: a fused operator, or a Softmax whose probabilities are multiplied with values.</summary>
    public static bool IsCore(Node node) => Fused.Contains(node.OpType) || IsDecomposed(node);

    private static bool IsDecomposed(Node node) =>
        node.Is("Softmax")
        && node.Output.Uses.Any(use => use.Node.Is("MatMul"))
        && ComesFromMatMul(node.Input(0), steps: 6);

    /// <summary>Scores pass through scaling, masking and casts before the Softmax.</summary>
    private static bool ComesFromMatMul(Value? scores, int steps) =>
        steps > 0 && scores?.Producer is { } producer
        && (producer.Is("MatMul") || (producer.OpType is "Add" or "Sub" or "Mul" or "Div" or "Where" or "Cast" or "Reshape" or "Tanh"
            && producer.Inputs.Any(input => ComesFromMatMul(input, steps - 1))));
}
