using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>What the gradients of reductions share.</summary>
internal static class Reductions
{
    /// <summary>The gradient of the result with the reduced axes as axes of size 1.</summary>
    public static Value KeptGradient(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        if (node.Attributes.Int("keepdims", 1) != 0)
        {
            return gradient;
        }
        Value axes = node.Attributes.Ints("axes") is { } given ? context.Emit.Integers([.. given]) : node.Input(1)
            ?? throw new ModelRefusedException("A reduction over all axes has no gradient rule", node.ToString());
        return context.Emit.Op("Unsqueeze", [gradient, axes]);
    }
}
