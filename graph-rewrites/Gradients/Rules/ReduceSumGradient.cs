using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = sum of x over axes: every element gets dy.</summary>
internal sealed class ReduceSumGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("ReduceSum");

    public void Differentiate(Node node, GradientContext context)
    {
        Value x = node.Input(0)!;
        context.Accumulate(x, context.Emit.Op("Expand", [Reductions.KeptGradient(node, context), context.Emit.Op("Shape", [x])]));
    }
}
