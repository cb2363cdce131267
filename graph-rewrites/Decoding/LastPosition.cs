using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Decoding;

/// <summary>
/// Lets a decoder compute the logits of the last position only, <c>[b, 1, V]</c> in place of <c>[b, s, V]</c>: generation reads no others, and over a long prompt the
/// others cost the most time and memory of all.
/// </summary>
public static class LastPosition
{
    private const string Logits = "logits";
    private const int Steps = 8;

    // What may follow the last projection: it keeps positions apart.
    private static readonly HashSet<string> ElementWise = ["Cast", "Mul", "Div", "Tanh", "Identity"];

    // What gives [b, s, d]; behind a Reshape positions might stand in another place.
    private static readonly HashSet<string> KeepsPositions = ["SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization", "LayerNormalization", "SkipLayerNormalization", "Mul", "Cast"];

    /// <summary>Rewrites the graph, in place.</summary>
    /// <returns>Whether it has the form that this needs: a projection behind a normalization, then logits; if not, it is unchanged.</returns>
    public static bool Apply(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        OnnxGraph graph = model.Graph;
        if (Projection(graph.Find(Logits)) is not { } projection || projection.Input(0) is not { Producer: { } before } hidden || !KeepsPositions.Contains(before.OpType))
        {
            return false;
        }
        OpEmitter emit = new(graph, "aligner.last_position");
        projection.Rewire(0, emit.Op("Slice", [hidden, emit.Integers([-1]), emit.Integers([long.MaxValue]), emit.Integers([1])]));
        return true;
    }

    private static Node? Projection(Value? logits)
    {
        Node? node = logits?.Producer;
        for (int step = 0; step < Steps && node is not null && ElementWise.Contains(node.OpType); step++)
        {
            node = node.Input(0)?.Producer;
        }
        return node is { OpType: "MatMul" or "MatMulNBits" } ? node : null;
    }
}
