using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a / b: da = dy / b, db = -dy y / b, summed over broadcast axes.</summary>
internal sealed class DivGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Div");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        (Value a, Value b) = (node.Input(0)!, node.Input(1)!);
        Value quotient = context.Emit.Op("Div", [gradient, b]);
        if (context.Needs(a))
        {
            context.Accumulate(a, Broadcasting.ReduceTo(a, b, quotient, context));
        }
        if (context.Needs(b))
        {
            Value slope = context.Emit.Op("Neg", [context.Emit.Mul(quotient, node.Output)]);
            context.Accumulate(b, Broadcasting.ReduceTo(b, a, slope, context));
        }
    }
}
