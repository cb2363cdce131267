using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = the larger or the smaller of two: dy goes to the one that was taken, of two equal ones to both (Max, Min).</summary>
internal sealed class ExtremumGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Max") || node.Is("Min");

    public void Differentiate(Node node, GradientContext context)
    {
        if (node.Inputs is not [{ } a, { } b])
        {
            throw new ModelRefusedException($"A {node.OpType} of other than two values has no gradient rule", node.ToString());
        }
        foreach ((Value operand, Value other) in new[] { (a, b), (b, a) })
        {
            if (context.Needs(operand))
            {
                Value taken = context.Emit.Op("Equal", [operand, node.Output]);
                Value part = context.Emit.Op("Where", [taken, context.GradientOf(node.Output), context.Emit.Scalar(0)]);
                context.Accumulate(operand, Broadcasting.ReduceTo(operand, other, part, context));
            }
        }
    }
}
