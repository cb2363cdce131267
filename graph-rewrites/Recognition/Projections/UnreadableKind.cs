using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>Products whose weight cannot be read back, each with the reason.</summary>
internal sealed class UnreadableKind : IProjectionKind
{
    private static readonly Dictionary<string, string> Reasons = new(StringComparer.Ordinal)
    {
        ["MatMulInteger"] = "MatMulInteger gives integers of quantised activations; its scales are applied by other nodes",
        ["QLinearMatMul"] = "QLinearMatMul gives integers, not activations to which a vector could be added",
        ["QGemm"] = "QGemm gives integers of quantised activations",
        ["MatMulBnb4"] = "MatMulBnb4 stores its weight in a code book (FP4, NF4)",
        ["QMoE"] = "QMoE is a mixture of experts, not a projection",
    };

    public bool LooksFor(Node node) => Reasons.ContainsKey(node.OpType);

    public Match<Projection> Recognise(Node node) => Match<Projection>.Fail(Reasons[node.OpType], node);
}
