using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>The key/value cache of one layer; null where the graph has no such value (an export without a cache).</summary>
/// <param name="PastKey">Keys of earlier tokens, [b, G, past, head size].</param>
/// <param name="PastValue">Values of earlier tokens, of the same shape.</param>
/// <param name="PresentKey">Keys of earlier and new tokens.</param>
/// <param name="PresentValue">Values of earlier and new tokens.</param>
public sealed record CacheFacts(Value? PastKey, Value? PastValue, Value? PresentKey, Value? PresentValue)
{
    /// <summary>No cache.</summary>
    public static CacheFacts None { get; } = new(null, null, null, null);

    /// <summary>Whether the layer decodes with a cache.</summary>
    public bool IsPresent => PastKey is not null || PresentKey is not null;
}
