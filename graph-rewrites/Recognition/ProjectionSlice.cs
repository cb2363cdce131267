using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>The part of a projection's output that belongs to the queries, the keys or the values.</summary>
/// <param name="Projection">The projection, which may be packed.</param>
/// <param name="First">The first output element of the part.</param>
/// <param name="Count">The number of output elements.</param>
public sealed record ProjectionSlice(Projection Projection, long First, long Count)
{
    /// <summary>Whether the part is the whole output.</summary>
    public bool IsWhole => First == 0 && Count == Projection.OutputSize && BlockStride is null;

    /// <summary>A bias that is added to the part after it was cut, besides the projection's own; null where there is none.</summary>
    public BiasPart? LateBias { get; init; }

    /// <summary>
    /// The distance between the starts of two blocks in the output, where queries, keys and values of each head (GPT-NeoX) or of each group of heads (InternLM2) stand side by
    /// side; null where all heads of the part follow each other.
    /// </summary>
    public long? BlockStride { get; init; }

    /// <summary>Elements of a block, one head or the query heads of a group, where blocks stand with a stride; else null.</summary>
    public long? BlockSize { get; init; }

    /// <summary>The output element of the projection that is an element of the part.</summary>
    /// <param name="element">The element, from 0.</param>
    internal long OutputOf(long element) => First + (this is { BlockStride: { } stride, BlockSize: { } size } ? (element / size * stride) + (element % size) : element);
}

/// <summary>Elements of a constant vector that are added to a part of a projection.</summary>
/// <param name="Vector">The vector.</param>
/// <param name="First">Its first element that belongs to the part.</param>
public sealed record BiasPart(Value Vector, long First);
