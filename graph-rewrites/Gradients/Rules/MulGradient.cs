using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a b: da = dy b, db = dy a, summed over broadcast axes.</summary>
internal sealed class MulGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Mul");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        (Value a, Value b) = (node.Input(0)!, node.Input(1)!);
        if (context.Needs(a))
        {
            context.Accumulate(a, Broadcasting.ReduceTo(a, b, context.Emit.Mul(gradient, b), context));
        }
        if (context.Needs(b))
        {
            context.Accumulate(b, Broadcasting.ReduceTo(b, a, context.Emit.Mul(gradient, a), context));
        }
    }
}
