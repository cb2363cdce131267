using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>A root-mean-square normalization, in one operator or in elementary ones: weight * (x / sqrt(mean(x^2) + epsilon)), with casts anywhere and the weight on either side.</summary>
internal static class RootMeanSquare
{
    private const float DefaultEpsilon = 1e-5f;

    /// <summary>The normalization that computes a value and what it normalises; null where the value is none.</summary>
    public static (HeadNormalization Normalization, Value Source)? Computing(Value value)
    {
        if (value.Producer is { } node && IsOneOperator(node) && Constants.Of(node.Input(1)) is { Shape.Count: 1 })
        {
            return (new HeadNormalization(node.Input(1)!, node.Attributes.Float("epsilon", DefaultEpsilon)), node.Input(0)!);
        }
        if (value.Producer is not { OpType: "Mul" } product)
        {
            return null;
        }
        foreach ((Value? weight, Value? normal) in Either(product))
        {
            if (Constants.Of(weight) is { Shape.Count: 1 } && Unscaled(Same(normal)) is (var source, var epsilon))
            {
                return (new HeadNormalization(weight!, epsilon), source);
            }
        }
        return null;
    }

    /// <summary>x / sqrt(mean(x^2) + epsilon), as a product with the reciprocal or as a quotient.</summary>
    private static (Value Source, float Epsilon)? Unscaled(Value? value)
    {
        if (value?.Producer is { } one && IsOneOperator(one) && IsOnes(one.Input(1)))
        {
            return (one.Input(0)!, one.Attributes.Float("epsilon", DefaultEpsilon));
        }
        if (value?.Producer is not { OpType: "Mul" or "Div" } node)
        {
            return null;
        }
        foreach ((Value? x, Value? norm) in node.OpType == "Div" ? [(node.Input(0), node.Input(1))] : Either(node))
        {
            Value? root = node.OpType == "Div" ? Same(norm) : Reciprocated(Same(norm));
            if (x is not null && root?.Producer is { OpType: "Sqrt" } sqrt && EpsilonOf(Same(sqrt.Input(0)), Same(x)!) is { } epsilon)
            {
                return (Same(x)!, epsilon);
            }
        }
        return null;
    }

    private static Value? Reciprocated(Value? value) => value?.Producer switch
    {
        { OpType: "Reciprocal" } node => Same(node.Input(0)),
        { OpType: "Div" } node when Constants.Number(node.Input(0)) == 1 => Same(node.Input(1)),
        _ => null,
    };

    /// <summary>The epsilon of mean(x^2) + epsilon; null where the value is another sum.</summary>
    private static float? EpsilonOf(Value? value, Value x)
    {
        if (value?.Producer is not { OpType: "Add" } sum)
        {
            return null;
        }
        foreach ((Value? number, Value? mean) in Either(sum))
        {
            if (Constants.Number(number) is { } epsilon && Same(mean)?.Producer is { OpType: "ReduceMean" } reduction && IsSquare(Same(reduction.Input(0)), x))
            {
                return epsilon;
            }
        }
        return null;
    }

    private static bool IsSquare(Value? value, Value x) => value?.Producer switch
    {
        { OpType: "Pow" } power => Same(power.Input(0)) == x && (Constants.Number(power.Input(1)) == 2 || Constants.Integers(power.Input(1)) is [2]),
        { OpType: "Mul" } product => Same(product.Input(0)) == x && Same(product.Input(1)) == x,
        _ => false,
    };

    private static bool IsOneOperator(Node node) => node.OpType is "SimplifiedLayerNormalization" or "RMSNormalization";

    private static bool IsOnes(Value? value) => Constants.Of(value) is { Count: <= Known.MostNumbers } stored && stored.ReadSingles().All(number => number == 1);

    private static Value? Same(Value? value)
    {
        while (value?.Producer is { OpType: "Cast" or "Identity" } same)
        {
            value = same.Input(0);
        }
        return value;
    }

    private static (Value? First, Value? Second)[] Either(Node node) => [(node.Input(0), node.Input(1)), (node.Input(1), node.Input(0))];
}
