using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradient gets the axes back.</summary>
internal sealed class SqueezeGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Squeeze");

    public void Differentiate(Node node, GradientContext context)
    {
        Value axes = node.Input(1) ?? throw new ModelRefusedException("A Squeeze that does not name its axes has no gradient rule", node.ToString());
        context.Accumulate(node.Input(0)!, context.Emit.Op("Unsqueeze", [context.GradientOf(node.Output), axes]));
    }
}
