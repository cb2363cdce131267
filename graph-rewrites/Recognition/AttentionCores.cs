using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Which nodes compute attention, recognised or not: everything that is reported.</summary>
internal static class AttentionCores
{
    private static readonly HashSet<string> Fused =
    [
        "GroupQueryAttention", "MultiHeadAttention", "Attention", "PagedAttention", "SparseAttention", "DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention",
        "PackedMultiHeadAttention", "DecoderAttention", "LongformerAttention", "PackedAttention", "QAttention", "LinearAttention", "GatedDeltaNet",
    ];

    /// <summary>Whether a node is an attention core: a fused operator, or a Softmax of scores whose probabilities are multiplied with values.</summary>
    public static bool IsCore(Node node) => Fused.Contains(node.OpType) || IsUntranslated(node) || DecomposedAttentionRecogniser.IsCore(node);

    /// <summary>A node that chooses between graphs of which one has attention; null where there is none.</summary>
    public static Node? BranchWithAttention(OnnxGraph graph) =>
        graph.Nodes.FirstOrDefault(node => node.Attributes.All.Any(attribute => attribute.G is { } branch && branch.Node.Any(inner => inner.OpType == "Softmax" || Fused.Contains(inner.OpType))));

    /// <summary>Whether a node is PyTorch's own attention, which an exporter left as it was.</summary>
    public static bool IsUntranslated(Node node) => node.Domain != Domains.Standard && node.OpType.Contains("scaled_dot_product_attention", StringComparison.Ordinal);
}
