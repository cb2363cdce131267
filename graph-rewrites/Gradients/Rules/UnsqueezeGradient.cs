using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradient loses the axes again.</summary>
internal sealed class UnsqueezeGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Unsqueeze");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Op("Squeeze", [context.GradientOf(node.Output), node.Input(1)]));
    }
}
