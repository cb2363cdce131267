using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>What stands between the product of queries and keys and the Softmax: scale, mask, soft-cap, sinks, casts and changes of layout, in any order.</summary>
/// <param name="Softmax">The Softmax, or ONNX Runtime's BiasSoftmax.</param>
/// <param name="Product">The product of queries and keys.</param>
/// <param name="Path">The way from the Softmax back to the product.</param>
internal sealed record ScorePath(Node Softmax, MatrixProduct Product, PlacePath Path)
{
    private const int Steps = 16;

    /// <summary>Whether a node normalises scores to probabilities.</summary>
    public static bool IsSoftmax(Node node) => node.Is("Softmax") || node.Is("BiasSoftmax", Domains.Microsoft);

    /// <summary>The scores that a Softmax takes; null where they do not come from a product of two activations (a router, a sampling head).</summary>
    public static ScorePath? Of(Node softmax)
    {
        List<Value> values = [];
        return IsSoftmax(softmax) && softmax.Input(0) is { } scores && Find(scores, values, Steps) is { } product
            ? new ScorePath(softmax, product, new PlacePath([.. Enumerable.Reverse(values)]))
            : null;
    }

    /// <summary>The masks: what is added to scores, or chosen in their place. Each with the operator that applies it.</summary>
    public IEnumerable<(Node Node, Value Mask)> Masks
    {
        get
        {
            if (Softmax.OpType == "BiasSoftmax" && Softmax.Input(1) is { } bias)
            {
                yield return (Softmax, bias);
            }
            foreach ((Node node, Value next) in Path.Steps.Where(step => step.Node.OpType is "Add" or "Sub" or "Where"))
            {
                yield return (node, node.OpType == "Where" ? node.Input(0)! : node.Inputs.FirstOrDefault(input => input != next) ?? next);
            }
        }
    }

    private static MatrixProduct? Find(Value value, List<Value> values, int steps)
    {
        if (steps == 0 || value.Producer is not { } node)
        {
            return null;
        }
        MatrixProduct? product = MatrixProduct.Of(node) ?? Sources(node).Select(source => Find(source, values, steps - 1)).FirstOrDefault(found => found is not null);
        if (product is not null)
        {
            values.Add(value);
        }
        return product;
    }

    /// <summary>The inputs of an operator that can be the scores.</summary>
    private static IEnumerable<Value> Sources(Node node) => (node.OpType switch
    {
        "Cast" or "Identity" or "Reshape" or "Squeeze" or "Unsqueeze" or "Expand" or "Transpose" or "Dropout" or "Clip" or "Tanh" or "Div" or "Sub" => node.Inputs.Take(1),
        "Add" or "Mul" or "Max" => node.Inputs.Take(2),
        "Concat" when SinkColumn.IsJoin(node) => node.Inputs,
        "Where" => node.Inputs.Skip(1),
        _ => [],
    }).OfType<Value>();
}
