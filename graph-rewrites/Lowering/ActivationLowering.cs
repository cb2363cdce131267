using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// x * Sigmoid(x) becomes one QuickGelu of alpha 1: forward it is what ONNX Runtime fuses anyway, and the backward pass then keeps neither the sigmoid nor the
/// gradients of two operators.
/// </summary>
internal static class ActivationLowering
{
    /// <summary>Lowers all activations of a graph.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Node product in graph.Nodes.Where(node => node.Is("Mul")).ToArray())
        {
            if (product.Inputs.FirstOrDefault(input => IsSigmoidOf(input, product)) is { Producer: { } sigmoid })
            {
                Value silu = new OpEmitter(graph, product.Output.Name).MicrosoftOp("QuickGelu", [sigmoid.Input(0)], NodeAttributes.Of("alpha", 1f));
                silu.Type = product.Output.Type;
            OnnxGraph.ReplaceUses(product.Output, silu);
                graph.RemoveNode(product);
                graph.RemoveNode(sigmoid);
            }
        }
    }

    private static bool IsSigmoidOf(Value? factor, Node product) =>
        factor is { Producer: { } sigmoid, Uses.Count: 1, IsGraphOutput: false } && sigmoid.Is("Sigmoid") && product.Inputs.Contains(sigmoid.Input(0));
}
