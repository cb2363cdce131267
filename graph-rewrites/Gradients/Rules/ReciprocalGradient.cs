using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = 1 / x: dx = -dy y y.</summary>
internal sealed class ReciprocalGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Reciprocal");

    public void Differentiate(Node node, GradientContext context)
    {
        Value square = context.Emit.Mul(node.Output, node.Output);
        context.Accumulate(node.Input(0)!, context.Emit.Op("Neg", [context.Emit.Mul(context.GradientOf(node.Output)!, square)]));
    }
}
