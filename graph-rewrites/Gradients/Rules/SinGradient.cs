using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = sin x: dx = dy cos x.</summary>
internal sealed class SinGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Sin");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Mul(context.GradientOf(node.Output)!, context.Emit.Op("Cos", [node.Input(0)])));
    }
}
