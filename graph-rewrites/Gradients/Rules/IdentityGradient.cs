using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = x: dx = dy.</summary>
internal sealed class IdentityGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Identity");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.GradientOf(node.Output)!);
    }
}
