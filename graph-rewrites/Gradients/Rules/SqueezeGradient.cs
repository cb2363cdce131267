using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradient gets the axes back.</summary>
internal sealed class SqueezeGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Squeeze");

    public void Differentiate(Node node, GradientContext context)
    {
        Value shape = context.Emit.Op("Shape", [node.Input(0)]);
        context.Accumulate(node.Input(0)!, context.Emit.Op("Reshape", [context.GradientOf(node.Output), shape]));
    }
}
