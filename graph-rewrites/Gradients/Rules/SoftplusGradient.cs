using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = ln(1 + e^x): dx = dy sigmoid(x).</summary>
internal sealed class SoftplusGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Softplus");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Mul(context.GradientOf(node.Output)!, context.Emit.Op("Sigmoid", [node.Input(0)])));
    }
}
