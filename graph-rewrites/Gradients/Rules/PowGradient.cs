using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = x^c with a constant exponent: dx = dy c x^(c - 1).</summary>
internal sealed class PowGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Pow");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        (Value x, Value exponent) = (node.Input(0)!, node.Input(1)!);
        if (context.Needs(exponent))
        {
            throw new ModelRefusedException("A power whose exponent depends on what is trained has no gradient rule", node.ToString());
        }
        Value lower = exponent is { IsConstant: true, Initializer: { Count: 1, ElementType: DataType.Float } stored } && stored.ReadSingles()[0] == 2
            ? x
            : emit.Op("Pow", [x, emit.Sub(emit.Op("CastLike", [exponent, x]), emit.Scalar(1))]);
        Value slope = emit.Mul(lower, emit.Op("CastLike", [exponent, x]));
        context.Accumulate(x, emit.Mul(context.GradientOf(node.Output)!, slope));
    }
}
