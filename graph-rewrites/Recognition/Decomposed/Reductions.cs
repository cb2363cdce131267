using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Operators that reduce axes to one element.</summary>
internal static class Reductions
{
    /// <summary>What a reduction computes.</summary>
    public static Known Of(Node node, PartialEvaluation known)
    {
        Known value = known[node.Input(0)];
        long[]? axes = LayoutMap.Axes(node, known);
        if (value.Shape is not { } shape || (node.Input(1) is not null && axes is null))
        {
            return Known.Nothing;
        }
        if (axes is null or [] && node.Attributes.Int("noop_with_empty_axes", 0) != 0)
        {
            return value;
        }
        HashSet<int> reduced = axes is null or [] ? [.. Enumerable.Range(0, shape.Length)] : [.. axes.Select(axis => Coordinates.Axis(axis, shape.Length))];
        long[] kept = [.. shape.Select((size, axis) => reduced.Contains(axis) ? 1 : size)];
        long[] result = node.Attributes.Int("keepdims", 1) != 0 ? kept : [.. shape.Where((_, axis) => !reduced.Contains(axis))];
        return value.Numbers is { Length: > 0 } numbers ? new Known(result, Reduce(node.OpType, numbers, shape, kept), value.IsInteger) : new Known(result);
    }

    private static double[] Reduce(string operation, double[] numbers, long[] shape, long[] kept)
    {
        ILookup<long, double> groups = numbers.Select((number, place) => (number, place)).ToLookup(pair => Coordinates.Place(Coordinates.Of(pair.place, shape), kept), pair => pair.number);
        double[] result = new double[Coordinates.Count(kept)];
        for (int place = 0; place < result.Length; place++)
        {
            IEnumerable<double> group = groups[place];
            result[place] = operation switch
            {
                "ReduceMax" => group.Max(),
                "ReduceMin" => group.Min(),
                "ReduceProd" => group.Aggregate(1.0, (product, number) => product * number),
                "ReduceMean" => group.Average(),
                "ReduceSumSquare" => group.Sum(number => number * number),
                "ReduceL2" => Math.Sqrt(group.Sum(number => number * number)),
                _ => group.Sum(),
            };
        }
        return result;
    }
}
