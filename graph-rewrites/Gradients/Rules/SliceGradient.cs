using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a piece of x: the gradient with zeros around it.</summary>
internal sealed class SliceGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Slice");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        if (node.Input(1)?.Initializer?.Count != 1 || node.Input(3)?.Initializer is not { Count: 1 } || (node.Input(4)?.Initializer is { } steps && steps.ReadInt64s()[0] != 1))
        {
            throw new ModelRefusedException("Only a Slice along one axis, with constant bounds and without steps, has a gradient rule", node.ToString());
        }
        Value axis = emit.Integers([.. node.Input(3)!.Initializer!.ReadInt64s()]);
        long first = node.Input(1)!.Initializer!.ReadInt64s()[0];
        Value size = SizeOf(x, axis, emit);
        Value before = first >= 0 ? emit.Integers([first]) : emit.Add(size, emit.Integers([first]));
        Value after = emit.Sub(emit.Sub(size, before), SizeOf(node.Output, axis, emit));
        Value padding = emit.Op("Concat", [before, after], NodeAttributes.Of("axis", 0L));
        context.Accumulate(x, emit.Op("Pad", [context.GradientOf(node.Output), padding, null, axis]));
    }

    private static Value SizeOf(Value value, Value axis, OpEmitter emit) => emit.Op("Gather", [emit.Op("Shape", [value]), axis], NodeAttributes.Of("axis", 0L));
}
