using AlignerOnnx.Graph;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Facts about the cosine and sine caches of rotary embeddings.</summary>
internal static class RotaryCaches
{
    /// <summary>Elements of a head that are rotated: twice the last dimension of the caches.</summary>
    /// <param name="cosines">The cosines: a constant, or the output of an If between two constants (LongRoPE).</param>
    /// <param name="headSize">What is assumed where the caches do not say.</param>
    public static int RotatedSize(Value cosines, int headSize) =>
        LastDimension(cosines) is long half && half > 0 && half <= headSize / 2 ? (int)(2 * half) : headSize;

    /// <summary>The embedding that RotaryEmbedding nodes before the core compute; null where there are none.</summary>
    public static RotaryFacts? Before(Node? query, Node? key, int headSize)
    {
        if (query is null)
        {
            return null;
        }
        // com.microsoft takes positions before the caches, ai.onnx behind them.
        bool microsoft = query.Domain == Domains.Microsoft;
        if (query.Input(microsoft ? 2 : 1) is not { } cosines || query.Input(microsoft ? 3 : 2) is not { } sines)
        {
            return null;
        }
        long given = query.Attributes.Int("rotary_embedding_dim", 0);
        return new RotaryFacts(cosines, sines, query.Attributes.Int("interleaved", 0) != 0)
        {
            IsInsideCore = false,
            RotatedSize = given > 0 && given <= headSize ? (int)given : RotatedSize(cosines, headSize),
            QueryNode = query,
            KeyNode = key,
            PositionIds = query.Input(microsoft ? 1 : 3),
        };
    }

    private static long? LastDimension(Value cosines) =>
        Constants.Of(cosines) is { Shape.Count: > 0 } stored ? stored.Shape[^1]
        : cosines.Type?.TensorType?.Shape?.Dim is { Count: > 0 } declared && declared[^1].DimValue > 0 ? declared[^1].DimValue
        : cosines.Producer is { OpType: "If" } choice ? OfBranch(choice, choice.Outputs.ToList().IndexOf(cosines))
        : null;

    private static long? OfBranch(Node choice, int output)
    {
        foreach (GraphProto branch in choice.Attributes.All.Select(attribute => attribute.G).OfType<GraphProto>().Where(graph => output >= 0 && output < graph.Output.Count))
        {
            string name = branch.Output[output].Name;
            TensorProto? stored = branch.Initializer.FirstOrDefault(tensor => tensor.Name == name)
                ?? branch.Node.FirstOrDefault(node => node.OpType == "Constant" && node.Output.Contains(name))?.Attribute.FirstOrDefault(attribute => attribute.T is not null)?.T;
            if (stored is { Dims.Count: > 0 })
            {
                return stored.Dims[^1];
            }
        }
        return null;
    }
}
