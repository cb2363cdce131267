using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = |x|: dx = dy sign(x).</summary>
internal sealed class AbsGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Abs");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Mul(context.GradientOf(node.Output)!, context.Emit.Op("Sign", [node.Input(0)])));
    }
}
