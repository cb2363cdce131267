using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>The shapes that rearranging operators give. Source: the ONNX operator definitions.</summary>
internal static class LayoutShapes
{
    /// <summary>The shape of a Reshape: 0 keeps a size (unless <c>allowzero</c>), -1 takes what is left.</summary>
    public static long[]? Reshape(Node node, long[] shape, long[]? wish)
    {
        wish ??= node.Attributes.Ints("shape") is { } given ? [.. given] : null;
        if (wish is null)
        {
            return null;
        }
        bool keepsZero = node.Attributes.Int("allowzero", 0) != 0;
        long[] result = [.. wish.Select((size, axis) => size == 0 && !keepsZero ? shape[axis] : size)];
        int open = Array.IndexOf(result, -1);
        long count = Coordinates.Count(shape);
        if (open >= 0)
        {
            result[open] = 1;
            long rest = Coordinates.Count(result);
            result[open] = rest == 0 ? 0 : count / rest;
        }
        return Coordinates.Count(result) == count ? result : null;
    }

    public static long[] Flatten(Node node, long[] shape)
    {
        long wish = node.Attributes.Int("axis", 1);
        int axis = checked((int)(wish < 0 ? wish + shape.Length : wish));
        return [Coordinates.Count(shape.AsSpan(0, axis)), Coordinates.Count(shape.AsSpan(axis))];
    }

    /// <summary>Without axes every size of one goes.</summary>
    public static long[]? Squeeze(long[] shape, long[]? axes, bool areInput)
    {
        if (axes is null)
        {
            return areInput ? null : [.. shape.Where(size => size != 1)];
        }
        HashSet<int> gone = [.. axes.Select(axis => Coordinates.Axis(axis, shape.Length))];
        return [.. shape.Where((_, axis) => !gone.Contains(axis))];
    }

    public static long[]? Unsqueeze(long[] shape, long[]? axes)
    {
        if (axes is null)
        {
            return null;
        }
        int dimensions = shape.Length + axes.Length;
        HashSet<int> added = [.. axes.Select(axis => Coordinates.Axis(axis, dimensions))];
        int next = 0;
        return [.. Enumerable.Range(0, dimensions).Select(axis => added.Contains(axis) ? 1 : shape[next++])];
    }

    /// <summary>The sizes of the parts of a Split.</summary>
    public static long[]? PartSizes(Node node, long size, PartialEvaluation known)
    {
        if (node.Attributes.Ints("split") is { } given)
        {
            return [.. given];
        }
        if (node.Input(1) is { } sizes)
        {
            return known[sizes].Integers;
        }
        long parts = node.Attributes.Int("num_outputs", node.Outputs.Count);
        long part = (size + parts - 1) / parts;
        return [.. Enumerable.Range(0, checked((int)parts)).Select(index => Math.Min(part, size - (index * part)))];
    }

    /// <summary>The shape of a Slice with the first place and the step along each axis.</summary>
    public static (long[] Shape, long[] First, long[] Step)? Slice(Node node, long[] shape, PartialEvaluation known)
    {
        long[]? starts = Numbers(node, "starts", 1, known);
        long[]? ends = Numbers(node, "ends", 2, known);
        if (starts is null || ends is null)
        {
            return null;
        }
        long[]? axes = Numbers(node, "axes", 3, known);
        long[]? steps = known[node.Input(4)].Integers;
        if ((node.Input(3) is not null && axes is null) || (node.Input(4) is not null && steps is null))
        {
            return null;
        }
        (long[] result, long[] first, long[] step) = ([.. shape], new long[shape.Length], [.. shape.Select(_ => 1L)]);
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = axes is null ? i : Coordinates.Axis(axes[i], shape.Length);
            step[axis] = steps?[i] ?? 1;
            (first[axis], result[axis]) = Range(starts[i], ends[i], step[axis], shape[axis]);
        }
        return (result, first, step);
    }

    private static (long First, long Count) Range(long start, long end, long step, long size)
    {
        start = start < 0 ? Math.Max(start, -size) + size : start;
        end = end < 0 ? Math.Max(end, -size - 1) + size : end;
        if (step > 0)
        {
            start = Math.Min(start, size);
            return (start, Math.Max(0, (Math.Min(end, size) - start + step - 1) / step));
        }
        start = Math.Min(start, size - 1);
        return (start, Math.Max(0, (Math.Min(end, size - 1) - start + step + 1) / step));
    }

    private static long[]? Numbers(Node node, string attribute, int input, PartialEvaluation known) =>
        node.Attributes.Ints(attribute) is { } given ? [.. given] : known[node.Input(input)].Integers;
}
