using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Finds normalizations of queries and keys, in one operator or decomposed.</summary>
internal static class HeadNormalizations
{
    private const float DefaultEpsilon = 1e-5f;

    /// <summary>The normalization that computes a value, in one operator or decomposed, and what it normalises.</summary>
    public static (HeadNormalization Normalization, Value Source)? Computing(Value value) => value.Producer switch
    {
        { OpType: "SimplifiedLayerNormalization" or "RMSNormalization" } node when Constants.Of(node.Input(1)) is not null =>
            (new HeadNormalization(node.Input(1)!, node.Attributes.Float("epsilon", DefaultEpsilon)), node.Input(0)!),
        { OpType: "Mul" } product => Decomposed(product),
        _ => null,
    };

    /// <summary>weight * (x * reciprocal of sqrt(mean(x^2) + epsilon)), in either order and with casts in between.</summary>
    private static (HeadNormalization, Value)? Decomposed(Node product)
    {
        foreach ((Value? weight, Value? normal) in new[] { (product.Input(0), product.Input(1)), (product.Input(1), product.Input(0)) })
        {
            if (Constants.Of(weight) is { Shape.Count: 1 } && ThroughCasts(normal)?.Producer is { OpType: "Mul" or "Div" } scaling && EpsilonOf(scaling) is float epsilon)
            {
                Value source = ThroughCasts(MeanOfSquares(scaling)!.Input(0))!;
                return (new HeadNormalization(weight!, epsilon), source);
            }
        }
        return null;
    }

    private static float? EpsilonOf(Node scaling) => MeanOfSquares(scaling) is not null && Sum(scaling) is { } sum ? Constants.Number(sum.Input(1)) ?? Constants.Number(sum.Input(0)) : null;

    /// <summary>The Pow or Mul that squares x.</summary>
    private static Node? MeanOfSquares(Node scaling) =>
        Sum(scaling)?.Inputs.FirstOrDefault(input => input?.Producer is { OpType: "ReduceMean" })?.Producer?.Input(0)?.Producer is { OpType: "Pow" or "Mul" } square ? square : null;

    /// <summary>The sum of mean square and epsilon, under the root.</summary>
    private static Node? Sum(Node scaling)
    {
        foreach (Value? factor in scaling.Inputs)
        {
            Node? root = factor?.Producer;
            root = root is { OpType: "Reciprocal" or "Div", Inputs.Count: > 0 } ? root.Inputs[^1]?.Producer : root;
            if (root is { OpType: "Sqrt" } && root.Input(0)?.Producer is { OpType: "Add" } sum)
            {
                return sum;
            }
        }
        return null;
    }

    private static Value? ThroughCasts(Value? value)
    {
        while (value?.Producer is { OpType: "Cast" or "Identity" } same)
        {
            value = same.Input(0);
        }
        return value;
    }
}
