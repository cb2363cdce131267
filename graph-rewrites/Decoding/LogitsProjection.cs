using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Decoding;

/// <summary>The projection that gives the logits, behind a normalization that keeps positions apart: generation reads the logits of few positions, and may compute those alone.</summary>
internal static class LogitsProjection
{
    /// <summary>The name of the logits.</summary>
    public const string Logits = "logits";

    private const int Steps = 8;

    // What may follow the projection: it keeps positions apart.
    private static readonly HashSet<string> ElementWise = ["Cast", "Mul", "Div", "Tanh", "Identity"];

    // What gives [b, s, d]; behind a Reshape positions might stand in another place.
    private static readonly HashSet<string> KeepsPositions = ["SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization", "LayerNormalization", "SkipLayerNormalization", "Mul", "Cast"];

    /// <summary>The projection; null where the graph has none of this form. Its first input are the hidden states [b, s, d].</summary>
    public static Node? Find(OnnxGraph graph) =>
        Behind(graph.Find(Logits)) is { } projection && projection.Input(0) is { Producer: { } before } && KeepsPositions.Contains(before.OpType) ? projection : null;

    private static Node? Behind(Value? logits)
    {
        Node? node = logits?.Producer;
        for (int step = 0; step < Steps && node is not null && ElementWise.Contains(node.OpType); step++)
        {
            node = node.Input(0)?.Producer;
        }
        return node is { OpType: "MatMul" or "MatMulNBits" } ? node : null;
    }
}
