using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = sigmoid(x): dx = dy y (1 - y).</summary>
internal sealed class SigmoidGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Sigmoid");

    public void Differentiate(Node node, GradientContext context)
    {
        Value slope = context.Emit.Mul(node.Output, context.Emit.Sub(context.Emit.Scalar(1), node.Output));
        context.Accumulate(node.Input(0)!, context.Emit.Mul(context.GradientOf(node.Output)!, slope));
    }
}
