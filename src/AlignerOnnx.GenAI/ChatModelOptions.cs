namespace AlignerOnnx.GenAI;

/// <summary>How a model computes answers.</summary>
public sealed record ChatModelOptions
{
    /// <summary>
    /// Whether answers that are generated at the same time are computed together, one row of a batch each, each row with its own adapter; true by default. A model whose
    /// form does not allow it computes each answer by itself, and <see cref="ChatModel.BatchingObstacle"/> says why.
    /// </summary>
    public bool Batching { get; init; } = true;

    /// <summary>The most answers computed at the same time, in all batches, 1 to 256; 16 by default. Further ones wait.</summary>
    public int MaxBatchRows { get; init; } = 16;

    /// <summary>
    /// How many batches grow side by side, each on a thread of its own, over one copy of the weights; 1 to 64. Null, the default, takes one for each processor, up to four, for models whose weights have less than
    /// 1 GiB, and one for others and where the model's configuration gives a number of threads. Fewer are made where a batch would have no answer, or no room for the longest one.
    /// </summary>
    public int? Batches { get; init; }

    /// <summary>The most bytes of keys and values of all batches, in equal shares, at least 1 MiB; 4 GiB by default. Answers wait where there is no room for them.</summary>
    public long MaxCacheBytes { get; init; } = 4L << 30;

    /// <summary>How many tokens of waiting prompts are computed between two steps of the running answers, 1 to 65536; 64 by default. More reads prompts faster and lets running answers wait longer.</summary>
    public int PromptChunk { get; init; } = 64;

    /// <summary>The most bytes of keys and values of earlier prompts that are kept for prompts that begin alike, under the same adapter; 256 MiB by default, 0 keeps none.</summary>
    public long PromptCacheBytes { get; init; } = 256L << 20;

    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    internal void Check()
    {
        ThrowUnless(MaxBatchRows is >= 1 and <= 256, nameof(MaxBatchRows), MaxBatchRows, "1 to 256");
        ThrowUnless(Batches is null or (>= 1 and <= 64), nameof(Batches), Batches ?? 0, "1 to 64");
        ThrowUnless(MaxCacheBytes >= 1 << 20, nameof(MaxCacheBytes), MaxCacheBytes, "at least 1 MiB");
        ThrowUnless(PromptChunk is >= 1 and <= 65536, nameof(PromptChunk), PromptChunk, "1 to 65536");
        ThrowUnless(PromptCacheBytes >= 0, nameof(PromptCacheBytes), PromptCacheBytes, "0 or more");
    }

    private static void ThrowUnless(bool valid, string name, object found, string expected)
    {
        if (!valid)
        {
            throw new ArgumentOutOfRangeException(name, found, $"Expected {expected}.");
        }
    }
}
