namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>What is known of a value when sizes that the graph leaves open are replaced by stand-ins.</summary>
/// <param name="Shape">Its shape; null where it cannot be computed.</param>
/// <param name="Numbers">Its elements, where there are few and they follow from shapes and constants; else null.</param>
/// <param name="IsInteger">Whether the elements are integers or truth values: a division of them truncates.</param>
internal sealed record Known(long[]? Shape, double[]? Numbers = null, bool IsInteger = false)
{
    /// <summary>The most elements of a value whose numbers are computed: enough for a mask of stand-in sizes, far from a weight.</summary>
    public const int MostNumbers = 4096;

    /// <summary>Nothing is known.</summary>
    public static Known Nothing { get; } = new((long[]?)null);

    /// <summary>The number of elements; null where the shape is not known.</summary>
    public long? Count => Shape is null ? null : Coordinates.Count(Shape);

    /// <summary>The only number; null where there are several or none.</summary>
    public double? Number => Numbers is [double only] ? only : null;

    /// <summary>The numbers as integers; null where they are not known.</summary>
    public long[]? Integers => Numbers is null ? null : Array.ConvertAll(Numbers, number => number >= long.MaxValue ? long.MaxValue : number <= long.MinValue ? long.MinValue : (long)number);

    /// <summary>A single integer without dimensions.</summary>
    public static Known Scalar(long number) => new([], [number], IsInteger: true);

    /// <summary>A list of integers.</summary>
    public static Known List(params long[] numbers) => new([numbers.Length], Array.ConvertAll(numbers, number => (double)number), IsInteger: true);
}
