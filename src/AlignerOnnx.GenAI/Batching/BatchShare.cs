namespace AlignerOnnx.GenAI;

/// <summary>One of several batches, and its share of what they may use.</summary>
/// <param name="Index">Which batch it is, from 0.</param>
/// <param name="Rows">The most answers at once.</param>
/// <param name="CacheBytes">The most bytes of their keys and values.</param>
/// <param name="IdleBytes">The most bytes that stay for the next answer when there is none.</param>
internal sealed record BatchShare(int Index, int Rows, long CacheBytes, long IdleBytes)
{
    private const long MostIdleBytes = 64 << 20;

    /// <summary>The shares of all batches: together what the options allow.</summary>
    internal static IEnumerable<BatchShare> Of(ChatModelOptions options, int batches) =>
        Enumerable.Range(0, batches).Select(index => new BatchShare(index, (options.MaxBatchRows + batches - 1 - index) / batches, options.MaxCacheBytes / batches, MostIdleBytes / batches));
}
