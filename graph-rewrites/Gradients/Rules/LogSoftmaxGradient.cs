using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = log softmax(x) along an axis: dx = dy - e^y sum(dy).</summary>
internal sealed class LogSoftmaxGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("LogSoftmax");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        Value sum = context.Emit.ReduceSum(gradient, keepDimensions: true, node.Attributes.Int("axis", -1));
        context.Accumulate(node.Input(0)!, context.Emit.Sub(gradient, context.Emit.Mul(context.Emit.Op("Exp", [node.Output]), sum)));
    }
}
