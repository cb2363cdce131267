using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradients of the parts are joined; a part that nothing reads has gradient zero.</summary>
internal sealed class SplitGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Split");

    public void Differentiate(Node node, GradientContext context)
    {
        Value[] outputs = [.. node.Outputs.Select(output => output ?? throw new ModelRefusedException("A Split with a part that has no name has no gradient rule", node.ToString()))];
        Value zero = context.Emit.Scalar(0);
        Value[] parts = [.. outputs.Select(output => context.GradientOf(output) ?? context.Emit.Mul(output, zero))];
        context.Accumulate(node.Input(0)!, context.Emit.Op("Concat", parts, NodeAttributes.Of("axis", node.Attributes.Int("axis", 0))));
    }
}
