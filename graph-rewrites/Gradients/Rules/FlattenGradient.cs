using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradient gets the shape of x back.</summary>
internal sealed class FlattenGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Flatten");

    public void Differentiate(Node node, GradientContext context)
    {
        Value x = node.Input(0)!;
        context.Accumulate(x, context.Emit.Op("Reshape", [context.GradientOf(node.Output), context.Emit.Op("Shape", [x])]));
    }
}
