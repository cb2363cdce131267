using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = running sums of x: dx = running sums of dy from the other end.</summary>
internal sealed class CumSumGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("CumSum");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Op("CumSum", [context.GradientOf(node.Output), node.Input(1)],
            NodeAttributes.Of("exclusive", node.Attributes.Int("exclusive", 0)), NodeAttributes.Of("reverse", 1 - node.Attributes.Int("reverse", 0))));
    }
}
