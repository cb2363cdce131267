namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Row-major places of a tensor's elements and their coordinates.</summary>
internal static class Coordinates
{
    /// <summary>The most dimensions that a value on the way to an attention core has.</summary>
    public const int MostDimensions = 12;

    /// <summary>The number of elements of a shape.</summary>
    /// <exception cref="OverflowException">There are more than a long can count, or a dimension is negative.</exception>
    public static long Count(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long size in shape)
        {
            count = size < 0 ? throw new OverflowException("A dimension is negative.") : checked(count * size);
        }
        return count;
    }

    /// <summary>Whether a shape has a place, counted from 0. Its elements may be too many to count.</summary>
    public static bool Has(ReadOnlySpan<long> shape, long place)
    {
        foreach (long size in shape)
        {
            if (size == 0)
            {
                return false;
            }
            place /= size;
        }
        return place == 0;
    }

    /// <summary>The coordinates of a place that the shape has.</summary>
    public static long[] Of(long place, ReadOnlySpan<long> shape)
    {
        long[] at = new long[shape.Length];
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            (place, at[axis]) = Math.DivRem(place, shape[axis]);
        }
        return at;
    }

    /// <summary>The place of coordinates. A dimension of one holds every coordinate of the dimension that it is repeated along; missing leading dimensions are of one.</summary>
    public static long Place(ReadOnlySpan<long> at, ReadOnlySpan<long> shape)
    {
        long place = 0;
        int missing = at.Length - shape.Length;
        for (int axis = 0; axis < shape.Length; axis++)
        {
            place = (place * shape[axis]) + (shape[axis] == 1 ? 0 : at[axis + missing]);
        }
        return place;
    }

    /// <summary>The shape that shapes have together where sizes of one are repeated; null where two sizes differ otherwise.</summary>
    public static long[]? Together(ReadOnlySpan<long> first, ReadOnlySpan<long> second)
    {
        long[] shape = new long[Math.Max(first.Length, second.Length)];
        for (int back = 1; back <= shape.Length; back++)
        {
            long a = back <= first.Length ? first[^back] : 1;
            long b = back <= second.Length ? second[^back] : 1;
            if (a != b && a != 1 && b != 1)
            {
                return null;
            }
            shape[^back] = a == 1 ? b : a;
        }
        return shape;
    }

    /// <summary>An axis from the front, counted from 0; negative axes count from the end.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such axis.</exception>
    public static int Axis(long axis, int dimensions)
    {
        long front = axis < 0 ? axis + dimensions : axis;
        ArgumentOutOfRangeException.ThrowIfLessThan(front, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(front, dimensions);
        return (int)front;
    }
}
