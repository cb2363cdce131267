using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// The queries where they enter the attention core. The final query, which meets the keys, follows from it in this order: take elements
/// <see cref="First"/> .. First + H * head size - 1 of the last axis where it is packed, add <see cref="Bias"/>, normalise unless
/// <paramref name="IsNormalised"/>, rotate unless <paramref name="IsRotated"/>, multiply by Scale / <see cref="Factor"/>.
/// </summary>
/// <param name="Value">The value.</param>
/// <param name="Layout">How it arranges the heads.</param>
/// <param name="IsPacked">Whether keys and values stand in the same value: [b, s, (H + 2 G) * head size], or [b, s, H, 3, head size] where <see cref="Interleaved"/>.</param>
/// <param name="IsNormalised">Whether the site's query normalization has been applied; true where it has none.</param>
/// <param name="IsRotated">Whether the rotary embedding has been applied; true where there is none.</param>
public sealed record QueryOperand(Value Value, HeadLayout Layout, bool IsPacked, bool IsNormalised, bool IsRotated)
{
    /// <summary>The first element of the queries along the last axis of a packed value.</summary>
    public long First { get; init; }

    /// <summary>Whether each head of a packed value holds its query, key and value side by side.</summary>
    public bool Interleaved { get; init; }

    /// <summary>A constant vector that the core itself adds (com.microsoft MultiHeadAttention), H * head size elements from the start; null where there is none.</summary>
    public Value? Bias { get; init; }

    /// <summary>What queries have been multiplied with already.</summary>
    public float Factor { get; init; } = 1;
}
