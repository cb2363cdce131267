using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>The standard operators that shapes, scales and masks are computed with: element by element, or from sizes alone.</summary>
internal static class NumberRules
{
    /// <summary>What a node computes; null where it is none of these operators.</summary>
    public static Known? Of(Node node, PartialEvaluation known) => node.OpType switch
    {
        "Constant" => Constants.Of(node.Output) is { } stored ? PartialEvaluation.OfTensor(stored) : Known.Nothing,
        "Shape" => Shape(node, known.ShapeOf(node.Input(0))),
        "Size" => known[node.Input(0)].Count is { } count ? Known.Scalar(count) : new Known([]),
        "ConstantOfShape" => Filled(node, known[node.Input(0)].Integers),
        "Range" => Range(known[node.Input(0)], known[node.Input(1)], known[node.Input(2)]),
        "Trilu" => Triangle(node, known[node.Input(0)], node.Input(1) is { } diagonal ? known[diagonal].Number : 0),
        "Where" => Elementwise.Of(known[node.Input(0)], known[node.Input(1)], known[node.Input(2)]),
        "ReduceMax" or "ReduceMin" or "ReduceSum" or "ReduceProd" or "ReduceMean" or "ReduceSumSquare" or "ReduceL2" => Reductions.Of(node, known),
        "CumSum" => Running(node, known[node.Input(0)], known[node.Input(1)].Number),
        "Sum" or "Max" or "Min" => Several(node, known),
        _ => Elementwise.Of(node, known),
    };

    /// <summary>A Cast of numbers: to integers it cuts the fraction off, to truth values it asks for zero.</summary>
    public static Known Cast(Node node, long[] shape, double[] numbers)
    {
        DataType type = (DataType)node.Attributes.Int("to", 0);
        bool integer = type is not (DataType.Float or DataType.Float16 or DataType.Bfloat16 or DataType.Double);
        return new Known(shape, type == DataType.Bool ? Array.ConvertAll(numbers, number => number == 0 ? 0.0 : 1.0) : integer ? Array.ConvertAll(numbers, Math.Truncate) : numbers, integer);
    }

    private static Known Shape(Node node, long[]? shape)
    {
        if (shape is null)
        {
            return Known.Nothing;
        }
        int start = End(node.Attributes.Int("start", 0), shape.Length);
        int end = End(node.Attributes.Int("end", shape.Length), shape.Length);
        return Known.List(shape[start..Math.Max(start, end)]);
    }

    private static int End(long axis, int dimensions) => (int)Math.Clamp(axis < 0 ? axis + dimensions : axis, 0, dimensions);

    private static Known Filled(Node node, long[]? shape)
    {
        if (shape is null)
        {
            return Known.Nothing;
        }
        Known value = node.Attributes.Tensor("value") is { } tensor ? PartialEvaluation.OfTensor(Tensor.Stored(tensor)) : new Known([], [0]);
        return Coordinates.Count(shape) > Known.MostNumbers || value.Number is not { } number ? new Known(shape) : new Known(shape, [.. Enumerable.Repeat(number, (int)Coordinates.Count(shape))], value.IsInteger);
    }

    private static Known Range(Known start, Known limit, Known delta)
    {
        if (start.Number is not { } first || limit.Number is not { } end || delta.Number is not { } step || step == 0)
        {
            return Known.Nothing;
        }
        double count = Math.Max(0, Math.Ceiling((end - first) / step));
        return count > Known.MostNumbers ? new Known([checked((long)count)]) : new Known([(long)count], [.. Enumerable.Range(0, (int)count).Select(index => first + (index * step))], start.IsInteger);
    }

    private static Known Triangle(Node node, Known matrix, double? diagonal)
    {
        if (matrix is not { Shape: { Length: >= 2 } shape, Numbers: { } numbers } || diagonal is not { } offset)
        {
            return matrix with { Numbers = null };
        }
        bool upper = node.Attributes.Int("upper", 1) != 0;
        (long rows, long columns) = (shape[^2], shape[^1]);
        return matrix with { Numbers = [.. numbers.Select((number, place) => (place % columns) - (place / columns % rows) is var above && (upper ? above >= offset : above <= offset) ? number : 0)] };
    }

    private static Known Running(Node node, Known value, double? axis)
    {
        if (value is not { Shape: { } shape, Numbers: { } numbers } || axis is not { } along || node.Attributes.Int("exclusive", 0) != 0 || node.Attributes.Int("reverse", 0) != 0)
        {
            return value with { Numbers = null };
        }
        long inner = Coordinates.Count(shape.AsSpan(Coordinates.Axis((long)along, shape.Length) + 1));
        long size = shape[Coordinates.Axis((long)along, shape.Length)];
        double[] sums = [.. numbers];
        for (long place = 0; place < sums.Length; place++)
        {
            sums[place] += place / inner % size > 0 ? sums[place - inner] : 0;
        }
        return value with { Numbers = sums };
    }

    private static Known Several(Node node, PartialEvaluation known)
    {
        Func<double, double, double> combine = node.OpType switch { "Sum" => (a, b) => a + b, "Max" => Math.Max, _ => Math.Min };
        return node.Inputs.Select(input => known[input]).Aggregate((first, second) => Elementwise.Of(first, second, combine));
    }
}
