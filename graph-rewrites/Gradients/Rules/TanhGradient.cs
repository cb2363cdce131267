using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = tanh(x): dx = dy (1 - y y).</summary>
internal sealed class TanhGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Tanh");

    public void Differentiate(Node node, GradientContext context)
    {
        Value slope = context.Emit.Sub(context.Emit.Scalar(1), context.Emit.Mul(node.Output, node.Output));
        context.Accumulate(node.Input(0)!, context.Emit.Mul(context.GradientOf(node.Output)!, slope));
    }
}
