using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a - b: da = dy, db = -dy, summed over broadcast axes.</summary>
internal sealed class SubGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Sub");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        (Value a, Value b) = (node.Input(0)!, node.Input(1)!);
        if (context.Needs(a))
        {
            context.Accumulate(a, Broadcasting.ReduceTo(a, b, gradient, context));
        }
        if (context.Needs(b))
        {
            context.Accumulate(b, Broadcasting.ReduceTo(b, a, context.Emit.Op("Neg", [gradient]), context));
        }
    }
}
