using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = erf(x): dx = dy 2 / sqrt(pi) e^(-x x).</summary>
internal sealed class ErfGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Erf");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        Value bell = emit.Op("Exp", [emit.Op("Neg", [emit.Mul(x, x)])]);
        Value slope = emit.Mul(bell, emit.Scalar((float)(2 / Math.Sqrt(Math.PI))));
        context.Accumulate(x, emit.Mul(context.GradientOf(node.Output)!, slope));
    }
}
