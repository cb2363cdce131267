using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a where the condition holds, else b: each gets the gradient where it was taken, zero elsewhere.</summary>
internal sealed class WhereGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Where");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        (Value condition, Value a, Value b) = (node.Input(0)!, node.Input(1)!, node.Input(2)!);
        (Value gradient, Value zero) = (context.GradientOf(node.Output)!, emit.Scalar(0));
        if (context.Needs(a))
        {
            context.Accumulate(a, Broadcasting.ReduceTo(a, b, emit.Op("Where", [condition, gradient, zero]), context));
        }
        if (context.Needs(b))
        {
            context.Accumulate(b, Broadcasting.ReduceTo(b, a, emit.Op("Where", [condition, zero, gradient]), context));
        }
    }
}
