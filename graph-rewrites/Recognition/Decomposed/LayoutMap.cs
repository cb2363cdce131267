using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// An operator that only rearranges elements, as a map of places: each element of the result is one element of an input. Reshape and its like, Transpose, Slice, Split,
/// Concat, Expand, Tile and Gather; Cast, Identity and Dropout keep every place.
/// </summary>
/// <param name="Shape">The shape of the result.</param>
/// <param name="Origin">From a place that the result has to the input and the place in it.</param>
internal sealed record LayoutMap(long[] Shape, Func<long, (int Input, long Place)> Origin)
{
    /// <summary>The first input that elements come from.</summary>
    public int FirstInput { get; private init; }

    /// <summary>The input and the place in it that a place comes from; null where the result has no such place: sizes that a graph claims need not agree.</summary>
    public (int Input, long Place)? Source(long place) => Coordinates.Has(Shape, place) ? Origin(place) : null;

    /// <summary>The map of a node's output; null where its operator computes, or where a size is not known.</summary>
    public static LayoutMap? Of(Node node, int output, PartialEvaluation known)
    {
        if (node.Domain != Domains.Standard || known.ShapeOf(node.Input(0)) is not { } shape || Coordinates.Count(shape) < 0)
        {
            return null;
        }
        return node.OpType switch
        {
            "Identity" or "Cast" or "CastLike" => InPlace(shape),
            "Dropout" => output == 0 ? InPlace(shape) : null,
            "Reshape" => InPlace(LayoutShapes.Reshape(node, shape, known[node.Input(1)].Integers)),
            "Flatten" => InPlace(LayoutShapes.Flatten(node, shape)),
            "Squeeze" => InPlace(LayoutShapes.Squeeze(shape, Axes(node, known), node.Input(1) is not null)),
            "Unsqueeze" => InPlace(LayoutShapes.Unsqueeze(shape, Axes(node, known))),
            "Transpose" => Transpose(node, shape),
            "Expand" => known[node.Input(1)].Integers is { } size && Coordinates.Together(shape, size) is { } together ? Repeat(shape, together) : null,
            "Tile" => known[node.Input(1)].Integers is { } repeats ? Tile(shape, repeats) : null,
            "Slice" => Slice(node, shape, known),
            "Split" => Split(node, shape, output, known),
            "Concat" => Concat(node, known),
            "Gather" => Gather(node, shape, known[node.Input(1)]),
            "GatherND" => GatherND(node, shape, known[node.Input(1)]),
            _ => null,
        };
    }

    /// <summary>Every element at the place that a smaller shape repeats it from; null where it does not repeat into the larger one.</summary>
    public static LayoutMap? Repeat(long[] small, long[] large) => small.AsSpan().SequenceEqual(large) ? new(large, place => (0, place))
        : Coordinates.Together(small, large) is { } together && together.AsSpan().SequenceEqual(large) ? new(large, place => (0, Coordinates.Place(Coordinates.Of(place, large), small)))
        : null;

    /// <summary>The axes of a node as attribute or second input; null where none are given.</summary>
    public static long[]? Axes(Node node, PartialEvaluation known) => node.Attributes.Ints("axes") is { } axes ? [.. axes] : known[node.Input(1)].Integers;

    private static LayoutMap? InPlace(long[]? shape) => shape is null ? null : new(shape, place => (0, place));

    private static LayoutMap Transpose(Node node, long[] shape)
    {
        long[] order = node.Attributes.Ints("perm") is { } given ? [.. given] : [.. Enumerable.Range(0, shape.Length).Reverse().Select(axis => (long)axis)];
        if (order.Length != shape.Length || order.Distinct().Count() != order.Length)
        {
            throw new ArgumentException("perm is not an order of the axes.");
        }
        long[] result = [.. order.Select(axis => shape[axis])];
        return new(result, place =>
        {
            long[] at = Coordinates.Of(place, result);
            long[] source = new long[at.Length];
            for (int axis = 0; axis < at.Length; axis++)
            {
                source[order[axis]] = at[axis];
            }
            return (0, Coordinates.Place(source, shape));
        });
    }

    private static LayoutMap? Tile(long[] shape, long[] repeats)
    {
        if (repeats.Length != shape.Length)
        {
            return null;
        }
        long[] result = [.. shape.Zip(repeats, (size, repeat) => checked(size * repeat))];
        return new(result, place =>
        {
            long[] at = Coordinates.Of(place, result);
            for (int axis = 0; axis < at.Length; axis++)
            {
                at[axis] %= shape[axis];
            }
            return (0, Coordinates.Place(at, shape));
        });
    }

    private static LayoutMap? Slice(Node node, long[] shape, PartialEvaluation known)
    {
        if (LayoutShapes.Slice(node, shape, known) is not (var result, var first, var step))
        {
            return null;
        }
        return new(result, place =>
        {
            long[] at = Coordinates.Of(place, result);
            for (int axis = 0; axis < at.Length; axis++)
            {
                at[axis] = first[axis] + (at[axis] * step[axis]);
            }
            return (0, Coordinates.Place(at, shape));
        });
    }

    private static LayoutMap? Split(Node node, long[] shape, int output, PartialEvaluation known)
    {
        int axis = Coordinates.Axis(node.Attributes.Int("axis", 0), shape.Length);
        if (LayoutShapes.PartSizes(node, shape[axis], known) is not { } sizes || output >= sizes.Length || sizes.Sum() != shape[axis])
        {
            return null;
        }
        long[] result = [.. shape];
        result[axis] = sizes[output];
        long first = sizes.Take(output).Sum();
        return new(result, place =>
        {
            long[] at = Coordinates.Of(place, result);
            at[axis] += first;
            return (0, Coordinates.Place(at, shape));
        });
    }

    private static LayoutMap? Concat(Node node, PartialEvaluation known)
    {
        long[]?[] shapes = [.. node.Inputs.Select(known.ShapeOf)];
        if (shapes.Any(shape => shape is null || shape.Length != shapes[0]!.Length))
        {
            return null;
        }
        int axis = Coordinates.Axis(node.Attributes.Int("axis", 0), shapes[0]!.Length);
        long[] result = [.. shapes[0]!];
        result[axis] = shapes.Sum(shape => shape![axis]);
        return new(result, place =>
        {
            long[] at = Coordinates.Of(place, result);
            int input = 0;
            while (at[axis] >= shapes[input]![axis])
            {
                at[axis] -= shapes[input++]![axis];
            }
            return (input, Coordinates.Place(at, shapes[input]));
        });
    }

    private static LayoutMap? Gather(Node node, long[] shape, Known indices)
    {
        if (indices is not { Integers: { } picked, Shape: { } pickedShape })
        {
            return null;
        }
        int axis = Coordinates.Axis(node.Attributes.Int("axis", 0), shape.Length);
        picked = Array.ConvertAll(picked, index => (long)Coordinates.Axis(index, checked((int)shape[axis])));
        long[] result = [.. shape[..axis], .. pickedShape, .. shape[(axis + 1)..]];
        return new(result, place =>
        {
            long[] at = Coordinates.Of(place, result);
            long index = picked[Coordinates.Place(at.AsSpan(axis, pickedShape.Length), pickedShape)];
            return (0, Coordinates.Place([.. at[..axis], index, .. at[(axis + pickedShape.Length)..]], shape));
        });
    }

    private static LayoutMap? GatherND(Node node, long[] shape, Known indices)
    {
        if (indices is not { Integers: { } picked, Shape: { Length: > 0 } pickedShape } || node.Attributes.Int("batch_dims", 0) != 0)
        {
            return null;
        }
        int depth = checked((int)pickedShape[^1]);
        long[] result = [.. pickedShape[..^1], .. shape[depth..]];
        long inner = Coordinates.Count(shape.AsSpan(depth));
        for (int i = 0; i < picked.Length; i++)
        {
            picked[i] = Coordinates.Axis(picked[i], checked((int)shape[i % depth]));
        }
        return new(result, place =>
        {
            (long row, long rest) = Math.DivRem(place, inner);
            long outer = Coordinates.Place(picked.AsSpan((int)(row * depth), depth), shape.AsSpan(0, depth));
            return (0, (outer * inner) + rest);
        });
    }
}
