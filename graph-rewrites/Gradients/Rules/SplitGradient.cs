using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradients of the parts are joined; a part that nothing reads has gradient zero.</summary>
internal sealed class SplitGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Split");

    public void Differentiate(Node node, GradientContext context)
    {
        Value zero = context.Emit.Scalar(0);
        Value[] parts = [.. node.Outputs.Select(output => context.GradientOf(output) ?? context.Emit.Mul(output!, zero))];
        context.Accumulate(node.Input(0)!, context.Emit.Op("Concat", parts, NodeAttributes.Of("axis", node.Attributes.Int("axis", 0))));
    }
}
