using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = x repeated r times along each axis: dy as [r0, d0, r1, d1, ..] is summed over the repeats.</summary>
internal sealed class TileGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Tile");

    public void Differentiate(Node node, GradientContext context)
    {
        if (node.Input(1) is not { IsConstant: true, Initializer: { } repeats })
        {
            throw new ModelRefusedException("A Tile whose repeats are not constant has no gradient rule", node.ToString());
        }
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        Value shape = emit.Op("Shape", [x]);
        Value pairs = emit.Op("Concat", [emit.Op("Unsqueeze", [node.Input(1), emit.Integers([1])]), emit.Op("Unsqueeze", [shape, emit.Integers([1])])], NodeAttributes.Of("axis", 1L));
        Value apart = emit.Op("Reshape", [context.GradientOf(node.Output), emit.Reshape(pairs, -1)]);
        Value sum = emit.ReduceSum(apart, keepDimensions: false, [.. Enumerable.Range(0, (int)repeats.Count).Select(axis => 2L * axis)]);
        context.Accumulate(x, sum);
    }
}
