using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Reads the key/value cache of a layer from the Concat that puts new keys and values behind cached ones.</summary>
internal static class DecomposedCache
{
    /// <summary>The cache of the layer of a sample.</summary>
    public static CacheFacts Of(HeadSample sample)
    {
        (Value? pastKey, Value? presentKey) = Of(sample.Key.CacheJoin);
        (Value? pastValue, Value? presentValue) = Of(sample.Value.CacheJoin);
        return pastKey is null && presentKey is null ? CacheFacts.None : new CacheFacts(pastKey, pastValue, presentKey, presentValue);
    }

    private static (Value? Past, Value? Present) Of(Node? join) =>
        (join?.Inputs.Select(GraphInput).FirstOrDefault(input => input is not null), join?.Output is { IsGraphOutput: true } present ? present : null);

    /// <summary>A graph input, behind a change of layout or not.</summary>
    private static Value? GraphInput(Value? part) => part is { IsGraphInput: true } ? part : part?.Producer?.Inputs.FirstOrDefault(source => source is { IsGraphInput: true });
}
