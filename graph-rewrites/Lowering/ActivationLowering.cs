using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// x * Sigmoid(x), and Swish (opset 24), becomes one QuickGelu of alpha 1: forward it is what ONNX Runtime fuses anyway, and the backward pass then keeps neither the sigmoid nor the
/// gradients of two operators.
/// </summary>
internal static class ActivationLowering
{
    /// <summary>Lowers all activations of a graph.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Node swish in graph.Nodes.Where(node => node.Is("Swish")).ToArray())
        {
            Replace(graph, swish, swish.Input(0)!, swish.Attributes.Float("alpha", 1));
        }
        foreach (Node product in graph.Nodes.Where(node => node.Is("Mul")).ToArray())
        {
            if (product.Inputs.FirstOrDefault(input => IsSigmoidOf(input, product)) is { Producer: { } sigmoid })
            {
                Replace(graph, product, sigmoid.Input(0)!, 1);
                graph.RemoveNode(sigmoid);
            }
        }
    }

    private static void Replace(OnnxGraph graph, Node node, Value x, float alpha)
    {
        Value gated = new OpEmitter(graph, node.Output.Name).MicrosoftOp("QuickGelu", [x], NodeAttributes.Of("alpha", alpha));
        gated.Type = node.Output.Type;
        OnnxGraph.ReplaceUses(node.Output, gated);
        graph.RemoveNode(node);
    }

    private static bool IsSigmoidOf(Value? factor, Node product) =>
        factor is { Producer: { } sigmoid, Uses.Count: 1, IsGraphOutput: false } && sigmoid.Is("Sigmoid") && product.Inputs.Contains(sigmoid.Input(0));
}
