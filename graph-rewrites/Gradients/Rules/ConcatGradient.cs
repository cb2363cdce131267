using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradient is split into the parts again.</summary>
internal sealed class ConcatGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Concat");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        long axis = node.Attributes.Int("axis", 0);
        Value[] sizes = [.. node.Inputs.Select(part => emit.Op("Gather", [emit.Op("Shape", [part]), emit.Integers([axis])], NodeAttributes.Of("axis", 0L)))];
        Value all = emit.Op("Concat", sizes, NodeAttributes.Of("axis", 0L));
        Value[] gradients = emit.Emit("Split", Domains.Standard, [context.GradientOf(node.Output), all], node.Inputs.Count, NodeAttributes.Of("axis", axis));
        foreach ((Value? part, Value gradient) in node.Inputs.Zip(gradients))
        {
            if (context.Needs(part))
            {
                context.Accumulate(part!, gradient);
            }
        }
    }
}
