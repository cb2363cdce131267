using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>How many token ids a model knows.</summary>
internal static class VocabularySize
{
    private const string Logits = "logits";
    private const int Steps = 8;

    /// <summary>The rows of the embedding table, or the declared width of the logits where that is larger or there is no table; null where neither is known.</summary>
    public static long? Of(OnnxModel model, Value ids)
    {
        long? table = EmbeddingRows(ids, Steps);
        long? width = model.Graph.Find(Logits)?.Type?.TensorType?.Shape?.Dim is [.., { DimValue: > 0 } last] ? last.DimValue : null;
        return table is null ? width : Math.Max(table.Value, width ?? 0);
    }

    private static long? EmbeddingRows(Value ids, int steps)
    {
        foreach (Use use in steps > 0 ? ids.Uses : [])
        {
            long? rows = use.Node.OpType switch
            {
                "Gather" or "GatherBlockQuantized" when use.Input == 1 => use.Node.Input(0)?.Initializer?.Shape[0] ?? use.Node.Input(2)?.Initializer?.Shape[0],
                "Cast" or "Reshape" or "Identity" when use.Input == 0 => EmbeddingRows(use.Node.Output, steps - 1),
                _ => null,
            };
            if (rows is not null)
            {
                return rows;
            }
        }
        return null;
    }
}
