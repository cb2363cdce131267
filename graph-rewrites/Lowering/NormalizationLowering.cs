using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// SkipSimplifiedLayerNormalization becomes Add and SimplifiedLayerNormalization, RMSNormalization that too; SkipLayerNormalization becomes Add and LayerNormalization. Every
/// SimplifiedLayerNormalization gets its second output, the reciprocal of the root mean square, which its gradient needs.
/// </summary>
internal static class NormalizationLowering
{
    private const int SumOutput = 3;
    private const float DefaultEpsilon = 1e-5f;

    /// <summary>Lowers all normalizations of a graph.</summary>
    public static void Apply(OnnxGraph graph)
    {
        FuseDecomposed(graph);
        foreach (Node node in graph.Nodes.Where(node => node.OpType is "SkipSimplifiedLayerNormalization" or "SimplifiedLayerNormalization" or "RMSNormalization" or "SkipLayerNormalization").ToArray())
        {
            OpEmitter emit = new(graph, node.Output.Name);
            bool skips = node.OpType.StartsWith("Skip", StringComparison.Ordinal);
            bool centres = node.OpType == "SkipLayerNormalization";
            Value source = skips ? AddSkip(emit, node, node.Input(centres ? 4 : 3)) : node.Input(0)!;
            Value weight = node.Input(skips ? 2 : 1)!;
            float epsilon = node.Attributes.Float("epsilon", DefaultEpsilon);
            Value normal = centres ? LayerNormalization(emit, source, weight, node.Input(3), epsilon) : emit.SimplifiedLayerNormalization(source, weight, epsilon);
            normal.Type = node.Output.Type;
            OnnxGraph.ReplaceUses(node.Output, normal);
            graph.RemoveNode(node);
        }
    }

    private static Value LayerNormalization(OpEmitter emit, Value source, Value weight, Value? bias, float epsilon) => emit.Op(
        "LayerNormalization", [source, weight, bias], NodeAttributes.Of("epsilon", epsilon), NodeAttributes.Of("axis", -1L), NodeAttributes.Of("stash_type", 1L));

    /// <summary>weight * x / sqrt(mean(x^2) + epsilon) in elementary operators becomes one operator: fewer activations are kept, and one rule differentiates it.</summary>
    private static void FuseDecomposed(OnnxGraph graph)
    {
        foreach (Node product in graph.Nodes.Where(node => node.Is("Mul")).ToArray())
        {
            if (RootMeanSquare.Computing(product.Output) is { } found)
            {
                Value normal = new OpEmitter(graph, product.Output.Name).SimplifiedLayerNormalization(found.Source, found.Normalization.Weight, found.Normalization.Epsilon);
                normal.Type = product.Output.Type;
                OnnxGraph.ReplaceUses(product.Output, normal);
            }
        }
    }

    private static Value AddSkip(OpEmitter emit, Node node, Value? bias)
    {
        Value sum = emit.Add(node.Input(0)!, node.Input(1)!);
        sum.Type = node.Input(0)!.Type;
        if (bias is not null)
        {
            sum = emit.Add(sum, bias);
            sum.Type = node.Input(0)!.Type;
        }
        if (node.Outputs.ElementAtOrDefault(SumOutput) is { } given)
        {
            OnnxGraph.ReplaceUses(given, sum);
        }
        return sum;
    }
}
