using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// A rotary embedding of queries and keys. Where <see cref="IsInsideCore"/>, positions follow from <see cref="SequenceLengths"/>:
/// of row b, token i of s stands at lengths[b] + 1 - s + i (not below i: the core treats a prompt without a cache as standing at 0), or from <see cref="PositionIds"/>
/// where the core takes them. Before the core they come from <see cref="PositionIds"/>.
/// </summary>
/// <param name="Cosines">
/// Cosines, [positions, rotated size / 2]; usually an initializer, of LongRoPE models the output of an If. Without <see cref="PositionIds"/> before the core: [b, s, rotated size / 2], picked already.
/// </param>
/// <param name="Sines">Sines, of the same shape.</param>
/// <param name="Interleaved">Whether pairs are neighbours (even, odd) rather than halves.</param>
public sealed record RotaryFacts(Value Cosines, Value Sines, bool Interleaved)
{
    /// <summary>Whether the core rotates; else a RotaryEmbedding node before it does.</summary>
    public bool IsInsideCore { get; init; } = true;

    /// <summary>Elements of a head that are rotated, the first ones; the rest passes as it is.</summary>
    public required int RotatedSize { get; init; }

    /// <summary>The RotaryEmbedding node of the queries; null inside the core.</summary>
    public Node? QueryNode { get; init; }

    /// <summary>The RotaryEmbedding node of the keys; null inside the core.</summary>
    public Node? KeyNode { get; init; }

    /// <summary>Positions, int64 [b, s], or [1] for the position of the first token of every row; null where none are given.</summary>
    public Value? PositionIds { get; init; }

    /// <summary>The number of keys of each row less one, int32 [b], padding not counted; null where the core takes none.</summary>
    public Value? SequenceLengths { get; init; }
}
