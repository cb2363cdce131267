using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Operators that compute each element from the elements at the same place, sizes of one being repeated.</summary>
internal static class Elementwise
{
    private static readonly Dictionary<string, Func<double, double>> Unary = new(StringComparer.Ordinal)
    {
        ["Neg"] = number => -number,
        ["Abs"] = Math.Abs,
        ["Sqrt"] = Math.Sqrt,
        ["Reciprocal"] = number => 1 / number,
        ["Exp"] = Math.Exp,
        ["Log"] = Math.Log,
        ["Cos"] = Math.Cos,
        ["Sin"] = Math.Sin,
        ["Tanh"] = Math.Tanh,
        ["Floor"] = Math.Floor,
        ["Ceil"] = Math.Ceiling,
        ["Round"] = Math.Round,
        ["Sign"] = number => Math.Sign(number),
        ["Not"] = number => Truth(number == 0),
        ["IsNaN"] = number => Truth(double.IsNaN(number)),
        ["IsInf"] = number => Truth(double.IsInfinity(number)),
    };

    private static readonly Dictionary<string, Func<double, double, double>> Binary = new(StringComparer.Ordinal)
    {
        ["Add"] = (a, b) => a + b,
        ["Sub"] = (a, b) => a - b,
        ["Mul"] = (a, b) => a * b,
        ["Div"] = (a, b) => a / b,
        ["Pow"] = Math.Pow,
        ["Mod"] = (a, b) => a - (b * Math.Floor(a / b)),
        ["And"] = (a, b) => Truth(a != 0 && b != 0),
        ["Or"] = (a, b) => Truth(a != 0 || b != 0),
        ["Xor"] = (a, b) => Truth((a != 0) != (b != 0)),
        ["BitwiseAnd"] = (a, b) => (long)a & (long)b,
        ["BitwiseOr"] = (a, b) => (long)a | (long)b,
        ["Equal"] = (a, b) => Truth(a == b),
        ["Greater"] = (a, b) => Truth(a > b),
        ["GreaterOrEqual"] = (a, b) => Truth(a >= b),
        ["Less"] = (a, b) => Truth(a < b),
        ["LessOrEqual"] = (a, b) => Truth(a <= b),
    };

    /// <summary>Activations keep their shape and are never needed as numbers.</summary>
    private static readonly HashSet<string> ShapeOnly =
        ["Sigmoid", "Relu", "Gelu", "Erf", "Softplus", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Selu", "Mish", "Swish", "Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "Clip", "Tan", "ScatterND", "ScatterElements", "RotaryEmbedding"];

    private static readonly HashSet<string> Truths = ["Not", "IsNaN", "IsInf", "And", "Or", "Xor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"];

    /// <summary>What a node of one of these operators computes; null where it is of none.</summary>
    public static Known? Of(Node node, PartialEvaluation known)
    {
        if (ShapeOnly.Contains(node.OpType))
        {
            return new Known(known.ShapeOf(node.Input(0)));
        }
        Known? result = Unary.TryGetValue(node.OpType, out Func<double, double>? unary) ? Of(known[node.Input(0)], unary)
            : BinaryOf(node) is { } binary ? Of(known[node.Input(0)], known[node.Input(1)], binary)
            : null;
        return result is null ? null
            : Truths.Contains(node.OpType) ? result with { IsInteger = true }
            : node.OpType is "Div" or "Mod" && result is { IsInteger: true, Numbers: { } quotients } ? result with { Numbers = quotients.All(double.IsFinite) ? Array.ConvertAll(quotients, Math.Truncate) : null }
            : result;
    }

    /// <summary>A remainder has the sign of the dividend with <c>fmod</c>, as in C, and without it that of the divisor, as in Python.</summary>
    private static Func<double, double, double>? BinaryOf(Node node) =>
        node.OpType == "Mod" && node.Attributes.Int("fmod", 0) != 0 ? (dividend, divisor) => dividend % divisor : Binary.GetValueOrDefault(node.OpType);

    /// <summary>A function of two values.</summary>
    public static Known Of(Known first, Known second, Func<double, double, double> combine)
    {
        if (first.Shape is null || second.Shape is null || Coordinates.Together(first.Shape, second.Shape) is not { } shape)
        {
            return Known.Nothing;
        }
        bool integer = first.IsInteger && second.IsInteger;
        if (first.Numbers is not { } a || second.Numbers is not { } b || Coordinates.Count(shape) > Known.MostNumbers)
        {
            return new Known(shape, null, integer);
        }
        double[] numbers = new double[Coordinates.Count(shape)];
        for (int place = 0; place < numbers.Length; place++)
        {
            long[] at = Coordinates.Of(place, shape);
            numbers[place] = combine(a[Coordinates.Place(at, first.Shape)], b[Coordinates.Place(at, second.Shape)]);
        }
        return new Known(shape, numbers, integer);
    }

    /// <summary>Where the condition holds the first value, else the second. Numbers that are not chosen need not be known.</summary>
    public static Known Of(Known condition, Known first, Known second)
    {
        if (condition.Shape is null || first.Shape is null || second.Shape is null || Coordinates.Together(first.Shape, second.Shape) is not { } values || Coordinates.Together(values, condition.Shape) is not { } shape)
        {
            return Known.Nothing;
        }
        if (condition.Numbers is not { } holds || Coordinates.Count(shape) > Known.MostNumbers)
        {
            return new Known(shape);
        }
        double[] numbers = new double[Coordinates.Count(shape)];
        for (int place = 0; place < numbers.Length; place++)
        {
            long[] at = Coordinates.Of(place, shape);
            Known chosen = holds[Coordinates.Place(at, condition.Shape)] != 0 ? first : second;
            if (chosen.Numbers is not { } known)
            {
                return new Known(shape);
            }
            numbers[place] = known[Coordinates.Place(at, chosen.Shape)];
        }
        return new Known(shape, numbers, first.IsInteger && second.IsInteger);
    }

    private static Known Of(Known value, Func<double, double> compute) => value with { Numbers = value.Numbers is { } numbers ? Array.ConvertAll(numbers, number => compute(number)) : null };

    private static double Truth(bool holds) => holds ? 1 : 0;
}
