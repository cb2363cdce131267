using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = elements of x along an axis: the gradient elements are added into zeros of the shape of x.</summary>
internal sealed class GatherElementsGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("GatherElements");

    public void Differentiate(Node node, GradientContext context)
    {
        Value x = node.Input(0)!;
        Value zeros = context.Emit.Op("ConstantOfShape", [context.Emit.Op("Shape", [x])]);
        context.Accumulate(x, context.Emit.Op("ScatterElements", [zeros, node.Input(1), context.GradientOf(node.Output)],
            NodeAttributes.Of("axis", node.Attributes.Int("axis", 0)), NodeAttributes.Of("reduction", "add")));
    }
}
