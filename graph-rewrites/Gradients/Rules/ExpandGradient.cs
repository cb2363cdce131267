using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = x repeated along axes of size 1: dx = dy summed over them.</summary>
internal sealed class ExpandGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Expand");

    public void Differentiate(Node node, GradientContext context)
    {
        Value x = node.Input(0)!;
        context.Accumulate(x, Broadcasting.ReduceToShape(x, context.GradientOf(node.Output)!, context));
    }
}
