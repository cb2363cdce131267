using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = softmax(x) along an axis: dx = y (dy - sum(dy y)).</summary>
internal sealed class SoftmaxGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Softmax");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        Value weighted = context.Emit.Mul(gradient, node.Output);
        Value sum = context.Emit.ReduceSum(weighted, keepDimensions: true, node.Attributes.Int("axis", -1));
        context.Accumulate(node.Input(0)!, context.Emit.Sub(weighted, context.Emit.Mul(node.Output, sum)));
    }
}
