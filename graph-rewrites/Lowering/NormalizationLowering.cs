using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// SkipSimplifiedLayerNormalization becomes Add and SimplifiedLayerNormalization; every SimplifiedLayerNormalization gets its second output, the
/// reciprocal of the root mean square, which its gradient needs.
/// </summary>
internal static class NormalizationLowering
{
    private const int SumOutput = 3;

    /// <summary>Lowers all normalizations of a graph.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Node node in graph.Nodes.Where(node => node.OpType is "SkipSimplifiedLayerNormalization" or "SimplifiedLayerNormalization").ToArray())
        {
            OpEmitter emit = new(graph, node.Output.Name);
            Value source = node.Is("SimplifiedLayerNormalization") ? node.Input(0)! : AddSkip(emit, node);
            Value weight = node.Is("SimplifiedLayerNormalization") ? node.Input(1)! : node.Input(2)!;
            Value normal = emit.SimplifiedLayerNormalization(source, weight, node.Attributes.Float("epsilon", 1e-5f));
            normal.Type = node.Output.Type;
            OnnxGraph.ReplaceUses(node.Output, normal);
            graph.RemoveNode(node);
        }
    }

    private static Value AddSkip(OpEmitter emit, Node node)
    {
        Value sum = emit.Add(node.Input(0)!, node.Input(1)!);
        sum.Type = node.Input(0)!.Type;
        if (node.Input(3) is { } bias)
        {
            sum = emit.Add(sum, bias);
            sum.Type = node.Input(0)!.Type;
        }
        if (node.Outputs.Count > SumOutput && node.Outputs[SumOutput] is { } given)
        {
            OnnxGraph.ReplaceUses(given, sum);
        }
        return sum;
    }
}
