using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>The factor on scores and their bound, read from the operators between product and Softmax.</summary>
/// <param name="Factor">What the product is multiplied with.</param>
/// <param name="SoftCap">The bound, cap * tanh(score / cap); 0 where there is none.</param>
internal sealed record ScoreScale(double Factor, double SoftCap)
{
    /// <summary>Reads a path of scores.</summary>
    public static Match<ScoreScale> Of(ScorePath scores, PartialEvaluation known)
    {
        (double factor, double cap) = (1, 0);
        foreach ((Node node, Value next) in scores.Path.Steps)
        {
            switch (node.OpType)
            {
                case "Mul" or "Div":
                    if (Constant(node, next, known) is not { } number)
                    {
                        return Match<ScoreScale>.Fail("the scores are multiplied with something that is not one constant number", node);
                    }
                    factor *= number;
                    break;
                case "Tanh" when cap != 0:
                    return Match<ScoreScale>.Fail("the scores are bounded twice", node);
                case "Tanh":
                    // cap * tanh(x): what stands behind the Tanh is the bound itself; before it stands scale / cap.
                    cap = factor;
                    break;
            }
        }
        return new ScoreScale(factor * scores.Product.Factor, cap);
    }

    /// <summary>The number that a Mul or Div multiplies one of its operands with; null where it is not one known number.</summary>
    public static double? Constant(Node node, Value operand, PartialEvaluation known)
    {
        Value? other = node.Input(0) == operand ? node.Input(1) : node.Input(0);
        if (other == operand || (node.OpType == "Div" && node.Input(0) != operand) || known[other].Numbers is not { Length: > 0 } numbers || numbers.Any(number => number != numbers[0]))
        {
            return null;
        }
        return node.OpType == "Mul" ? numbers[0] : 1 / numbers[0];
    }
}
