using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>The part of a projection's output that belongs to the queries, the keys or the values.</summary>
/// <param name="Projection">The projection, which may be packed.</param>
/// <param name="First">The first output element of the part.</param>
/// <param name="Count">The number of output elements.</param>
public sealed record ProjectionSlice(Projection Projection, long First, long Count)
{
    /// <summary>Whether the part is the whole output.</summary>
    public bool IsWhole => First == 0 && Count == Projection.OutputSize && HeadStride is null;

    /// <summary>A bias that is added to the part after it was cut, besides the projection's own; null where there is none.</summary>
    public BiasPart? LateBias { get; init; }

    /// <summary>The distance between the starts of two heads in the output, where each head holds its query, key and value side by side; null where heads follow each other.</summary>
    public long? HeadStride { get; init; }

    /// <summary>Elements of a head, where heads stand with a stride; else null.</summary>
    public long? HeadSize { get; init; }
}

/// <summary>Elements of a constant vector that are added to a part of a projection.</summary>
/// <param name="Vector">The vector.</param>
/// <param name="First">Its first element that belongs to the part.</param>
public sealed record BiasPart(Value Vector, long First);
