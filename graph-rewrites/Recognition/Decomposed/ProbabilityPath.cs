using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>What stands between the Softmax and the product with the values: casts, dropout, layout, and the guard against rows without a visible key (IsNaN, Where).</summary>
/// <param name="Product">The product of probabilities and values.</param>
/// <param name="IsLeft">Whether the probabilities are its first operand.</param>
/// <param name="Path">The way from that operand back to the Softmax.</param>
internal sealed record ProbabilityPath(MatrixProduct Product, bool IsLeft, PlacePath Path)
{
    private const int Steps = 8;

    /// <summary>The values' operand of the product.</summary>
    public Value Values => IsLeft ? Product.Right : Product.Left;

    /// <summary>Where the probabilities of a Softmax meet values; null where they do not.</summary>
    public static ProbabilityPath? Of(Node softmax) => softmax.Outputs is [{ } probabilities, ..] ? Find(probabilities, [probabilities]) : null;

    private static ProbabilityPath? Find(Value value, List<Value> values)
    {
        foreach ((Node node, int input) in value.Uses)
        {
            if (input is 0 or 1 && MatrixProduct.Of(node) is { } product)
            {
                return new ProbabilityPath(product, input == 0, new PlacePath([.. Enumerable.Reverse(values)]));
            }
            if (values.Count <= Steps && Passes(node, input) && Find(node.Output, [.. values, node.Output]) is { } found)
            {
                return found;
            }
        }
        return null;
    }

    private static bool Passes(Node node, int input) => node.OpType switch
    {
        "Cast" or "Identity" or "Dropout" or "Reshape" or "Expand" or "Squeeze" or "Unsqueeze" or "Transpose" or "Slice" => input == 0,
        "Where" => input is 1 or 2,
        _ => false,
    };
}
