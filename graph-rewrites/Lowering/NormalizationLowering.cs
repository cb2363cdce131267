using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// SkipSimplifiedLayerNormalization becomes Add and SimplifiedLayerNormalization, RMSNormalization that too; every SimplifiedLayerNormalization gets its second output, the
/// reciprocal of the root mean square, which its gradient needs.
/// </summary>
internal static class NormalizationLowering
{
    private const int SumOutput = 3;

    /// <summary>Lowers all normalizations of a graph.</summary>
    public static void Apply(OnnxGraph graph)
    {
        FuseDecomposed(graph);
        foreach (Node node in graph.Nodes.Where(node => node.OpType is "SkipSimplifiedLayerNormalization" or "SimplifiedLayerNormalization" or "RMSNormalization").ToArray())
        {
            OpEmitter emit = new(graph, node.Output.Name);
            bool skips = node.OpType == "SkipSimplifiedLayerNormalization";
            Value source = skips ? AddSkip(emit, node) : node.Input(0)!;
            Value weight = node.Input(skips ? 2 : 1)!;
            Value normal = emit.SimplifiedLayerNormalization(source, weight, node.Attributes.Float("epsilon", 1e-5f));
            normal.Type = node.Output.Type;
            OnnxGraph.ReplaceUses(node.Output, normal);
            graph.RemoveNode(node);
        }
    }

    /// <summary>weight * x / sqrt(mean(x^2) + epsilon) in elementary operators becomes one operator: fewer activations are kept, and one rule differentiates it.</summary>
    private static void FuseDecomposed(OnnxGraph graph)
    {
        foreach (Node product in graph.Nodes.Where(node => node.Is("Mul")).ToArray())
        {
            if (product.Output.Uses.Count > 0 && HeadNormalizations.Computing(product.Output) is { } found)
            {
                Value normal = new OpEmitter(graph, product.Output.Name).SimplifiedLayerNormalization(found.Source, found.Normalization.Weight, found.Normalization.Epsilon);
                normal.Type = product.Output.Type;
                OnnxGraph.ReplaceUses(product.Output, normal);
            }
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
