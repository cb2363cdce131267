using AlignerOnnx.Graph;

namespace AlignerOnnx.GenAI;

/// <summary>
/// How many batches grow side by side, each on a thread of its own. The operators of a small model are so short that threads which share one gain less than batches beside each other (docs/serving.md, measured);
/// a large model's weights are better read once for all answers.
/// </summary>
internal static class BatchCount
{
    private const long SmallWeights = 1L << 30;
    private const int MostByDefault = 4;

    /// <summary>How many batches, at least 1: never more than answers, or than caches that have room for the longest answer.</summary>
    internal static int Of(ChatModelOptions options, OnnxModel model, int? threads, long longestAnswerBytes)
    {
        int wanted = options.Batches ?? (threads is null && WeightBytes(model) < SmallWeights ? Math.Min(Environment.ProcessorCount, MostByDefault) : 1);
        return (int)Math.Max(1, Math.Min(Math.Min(wanted, options.MaxBatchRows), options.MaxCacheBytes / Math.Max(1, longestAnswerBytes)));
    }

    /// <summary>Threads of the session that the batches share: as many as leave each batch's own thread a processor, and null for the runtime's choice where there is one batch.</summary>
    internal static int? ThreadsFor(int batches) => batches > 1 ? Math.Max(1, Environment.ProcessorCount - batches + 1) : null;

    private static long WeightBytes(OnnxModel model) =>
        model.Graph.Values.Sum(value => value.Initializer is { } weight ? ElementTypes.ByteLength(weight.ElementType, weight.Count) : 0);
}
