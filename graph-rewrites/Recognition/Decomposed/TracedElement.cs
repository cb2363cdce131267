using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>An element of queries, keys or values, followed back to the projection that computes it.</summary>
/// <param name="Projection">The projection.</param>
/// <param name="Place">The place in its result.</param>
internal sealed record TracedElement(Projection Projection, long Place)
{
    /// <summary>The product of the numbers that it is multiplied with on the way.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>The normalization on the way; null where there is none.</summary>
    public HeadNormalization? Normalization { get; init; }

    /// <summary>The other element that a rotary embedding mixes it with; -1 where none does.</summary>
    public long Partner { get; init; } = -1;

    /// <summary>The RotaryEmbedding node on the way; null where there is none or it is decomposed.</summary>
    public Node? RotaryNode { get; init; }

    /// <summary>The Concat that joins it to cached elements; null where there is none.</summary>
    public Node? CacheJoin { get; init; }

    /// <summary>The row of the projection: which token of which sequence.</summary>
    public long Row => Place / Projection.OutputSize;

    /// <summary>The output element of the projection.</summary>
    public long Channel => Place % Projection.OutputSize;

    /// <summary>Whether a rotary embedding lies on the way.</summary>
    public bool IsRotated => Partner >= 0 || RotaryNode is not null;
}
