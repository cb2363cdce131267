using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = rows of x: the gradient rows are added into zeros of the shape of x.</summary>
internal sealed class GatherGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Gather");

    public void Differentiate(Node node, GradientContext context)
    {
        if (node.Attributes.Int("axis", 0) != 0)
        {
            throw new ModelRefusedException("A Gather along another axis than the first has no gradient rule", node.ToString());
        }
        Value zeros = context.Emit.Op("ConstantOfShape", [context.Emit.Op("Shape", [node.Input(0)])]);
        Value rows = context.Emit.Op("Unsqueeze", [node.Input(1), context.Emit.Integers([-1])]);
        context.Accumulate(node.Input(0)!, context.Emit.Op("ScatterND", [zeros, rows, context.GradientOf(node.Output)], NodeAttributes.Of("reduction", "add")));
    }
}
