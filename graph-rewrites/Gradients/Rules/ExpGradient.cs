using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = e^x: dx = dy y.</summary>
internal sealed class ExpGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Exp");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Mul(context.GradientOf(node.Output)!, node.Output));
    }
}
