namespace AlignerOnnx.GenAI;

/// <summary>What one of several batches may use.</summary>
/// <param name="Batch">Which batch it is, from 0.</param>
/// <param name="Rows">The most answers at once.</param>
/// <param name="CacheBytes">The most bytes of their keys and values.</param>
/// <param name="ContextLength">The most positions of an answer.</param>
/// <param name="PromptChunk">Tokens of prompts between two steps.</param>
internal sealed record BatchLimits(int Batch, int Rows, long CacheBytes, int ContextLength, int PromptChunk)
{
    /// <summary>The share of one of some batches.</summary>
    internal static BatchLimits Share(ChatModelOptions options, int batch, int batches, int contextLength) =>
        new(batch, (options.MaxBatchRows + batches - 1 - batch) / batches, options.MaxCacheBytes / batches, contextLength, options.PromptChunk);
}
