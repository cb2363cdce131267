using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>What stands between queries, keys and a Softmax.</summary>
/// <param name="Queries">The first factor of the scores.</param>
/// <param name="Keys">The second factor, transposed or not.</param>
/// <param name="Factor">What the scores are multiplied with.</param>
/// <param name="IsMasked">Whether a mask is added or selects.</param>
/// <param name="SoftCap">The bound of the scores; 0 where there is none.</param>
internal sealed record DecomposedScores(Value Queries, Value Keys, double Factor, bool IsMasked, float SoftCap)
{
    private const int Steps = 12;

    /// <summary>The scores that a Softmax takes; null where they are no product of two activations.</summary>
    public static DecomposedScores? Of(Node softmax)
    {
        (Value? value, double factor, bool masked, float cap) = (softmax.Input(0), 1.0, false, 0f);
        for (int step = 0; step < Steps && value?.Producer is { } node; step++)
        {
            switch (node.OpType)
            {
                case "MatMul" or "FusedMatMul":
                    double alpha = node.OpType == "FusedMatMul" ? node.Attributes.Float("alpha", 1) : 1;
                    return node.Input(0) is { } queries && node.Input(1) is { } keys && Constants.Of(queries) is null && Constants.Of(keys) is null && !FrozenMatrices.Of(keys).Success
                        ? new DecomposedScores(queries, keys, factor * alpha, masked, cap)
                        : null;
                case "Cast" or "Identity" or "Reshape":
                    value = node.Input(0);
                    break;
                case "Tanh" when node.Input(0)?.Producer is { } inner && Scaling(inner) is { } bounded:
                    // cap * tanh(score / cap): the factor behind the Tanh is the bound itself.
                    (cap, factor) = ((float)(1 / bounded.Factor), factor * bounded.Factor);
                    value = bounded.Source;
                    break;
                case "Mul" or "Div" when Scaling(node) is { } scaled:
                    factor *= scaled.Factor;
                    value = scaled.Source;
                    break;
                case "Add" or "Sub":
                    masked = true;
                    value = Likelier(node.Input(0), node.Input(1));
                    break;
                case "Where":
                    masked = true;
                    value = Likelier(node.Input(1), node.Input(2));
                    break;
                default:
                    return null;
            }
        }
        return null;
    }

    /// <summary>The product of probabilities and values, behind casts, dropout and guards against rows without a visible key.</summary>
    public static Node? ProductWithValues(Node softmax)
    {
        Value probabilities = softmax.Output;
        for (int step = 0; step < Steps; step++)
        {
            Node? next = probabilities.Uses.Select(use => use.Node).FirstOrDefault(node => node.OpType is "MatMul" or "Cast" or "Dropout" or "Identity" or "Where" or "Reshape");
            if (next is null || next.Is("MatMul"))
            {
                return next?.Input(0) == probabilities ? next : null;
            }
            probabilities = next.Output;
        }
        return null;
    }

    private static (double Factor, Value Source)? Scaling(Node node) =>
        node.OpType == "Div" ? Constants.Number(node.Input(1)) is float divisor ? (1 / (double)divisor, node.Input(0)!) : null
        : node.OpType != "Mul" ? null
        : Constants.Number(node.Input(1)) is float second ? (second, node.Input(0)!)
        : Constants.Number(node.Input(0)) is float first ? (first, node.Input(1)!)
        : null;

    /// <summary>Of scores and mask, the one that comes from a product.</summary>
    private static Value? Likelier(Value? a, Value? b) => ComesFromProduct(a, Steps) ? a : b;

    private static bool ComesFromProduct(Value? value, int steps) =>
        steps > 0 && value?.Producer is { } node
        && (node.OpType is "MatMul" or "FusedMatMul"
            || (node.OpType is "Mul" or "Div" or "Cast" or "Tanh" or "Reshape" or "Identity" && node.Inputs.Any(input => ComesFromProduct(input, steps - 1)))
            || (node.OpType is "Add" or "Where" && node.Inputs.Any(input => ComesFromProduct(input, steps - 1))));
}
