using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = -x: dx = -dy.</summary>
internal sealed class NegGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Neg");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Op("Neg", [context.GradientOf(node.Output)]));
    }
}
