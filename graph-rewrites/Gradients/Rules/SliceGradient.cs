using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a piece of x: the gradient with zeros around it.</summary>
internal sealed class SliceGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Slice");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        if (Constants.Integers(node.Input(3)) is not [long along] || (node.Input(4) is { } steps && Constants.Integers(steps) is not [1]))
        {
            throw new ModelRefusedException("Only a Slice along one axis, without steps, has a gradient rule", node.ToString());
        }
        if (DeclaredWidths(node, along) is { } widths)
        {
            context.Accumulate(x, emit.Op("Pad", [context.GradientOf(node.Output), emit.Integers(widths)]));
            return;
        }
        Value axis = emit.Integers([along]);
        Value size = SizeOf(x, axis, emit);
        Value before = FirstOf(node, size, emit);
        Value after = emit.Sub(emit.Sub(size, before), SizeOf(node.Output, axis, emit));
        Value padding = emit.Op("Concat", [before, after], NodeAttributes.Of("axis", 0L));
        context.Accumulate(x, emit.Op("Pad", [context.GradientOf(node.Output), OfAllAxes(padding, along, x, emit)]));
    }

    /// <summary>The widths along all axes, before and after, where the graph says the size of the axis; null where only a run knows it.</summary>
    private static long[]? DeclaredWidths(Node node, long along)
    {
        if (node.Input(0)!.Type?.TensorType?.Shape is not { } shape || Constants.Integers(node.Input(1)) is not [>= 0 and long first] || Constants.Integers(node.Input(2)) is not [>= 0 and long end])
        {
            return null;
        }
        int axis = (int)(along < 0 ? along + shape.Dim.Count : along);
        if (!shape.Dim[axis].HasDimValue)
        {
            return null;
        }
        long size = shape.Dim[axis].DimValue;
        long[] widths = new long[2 * shape.Dim.Count];
        (widths[axis], widths[axis + shape.Dim.Count]) = (Math.Min(first, size), size - Math.Max(Math.Min(first, size), Math.Min(end, size)));
        return widths;
    }

    /// <summary>
    /// Before and after along one axis as the widths along all axes: ONNX Runtime 1.31 moves a Transpose past a Pad without regard to the input that names its axes.
    /// </summary>
    private static Value OfAllAxes(Value padding, long along, Value x, OpEmitter emit)
    {
        Value rank = emit.Op("Shape", [emit.Op("Shape", [x])]);
        Value place = along >= 0 ? emit.Integers([along]) : emit.Add(rank, emit.Integers([along]));
        Value places = emit.Op("Concat", [place, emit.Add(rank, place)], NodeAttributes.Of("axis", 0L));
        Value none = emit.Op("ConstantOfShape", [emit.Add(rank, rank)], NodeAttributes.Of("value", Tensor.Of("", [0L], 1)));
        return emit.Op("ScatterElements", [none, places, padding], NodeAttributes.Of("axis", 0L));
    }

    /// <summary>The first index that is taken; a negative one counts from the end.</summary>
    private static Value FirstOf(Node node, Value size, OpEmitter emit)
    {
        Value start = emit.Op("Cast", [node.Input(1)], NodeAttributes.Of("to", (long)DataType.Int64));
        return Constants.Integers(node.Input(1)) is [long first]
            ? first >= 0 ? emit.Integers([first]) : emit.Add(size, emit.Integers([first]))
            : emit.Op("Where", [emit.Op("Less", [start, emit.Integers([0])]), emit.Add(size, start), start]);
    }

    private static Value SizeOf(Value value, Value axis, OpEmitter emit) => emit.Op("Gather", [emit.Op("Shape", [value]), axis], NodeAttributes.Of("axis", 0L));
}
