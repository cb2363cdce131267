using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = cos x: dx = -dy sin x.</summary>
internal sealed class CosGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Cos");

    public void Differentiate(Node node, GradientContext context)
    {
        Value slope = context.Emit.Op("Neg", [context.Emit.Op("Sin", [node.Input(0)])]);
        context.Accumulate(node.Input(0)!, context.Emit.Mul(context.GradientOf(node.Output)!, slope));
    }
}
