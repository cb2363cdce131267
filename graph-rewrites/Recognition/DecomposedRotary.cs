using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>A rotary embedding in elementary operators: x * cos + rotate(x) * sin, rotate(x) being the halves of x in the other order with one of them negated.</summary>
internal static class DecomposedRotary
{
    private const int Steps = 6;

    /// <summary>What is rotated to give a value; null where the value is no rotation.</summary>
    public static Value? SourceOf(Value value)
    {
        if (value.Producer is not { OpType: "Add" } sum || sum.Input(0)?.Producer is not { OpType: "Mul" } first || sum.Input(1)?.Producer is not { OpType: "Mul" } second)
        {
            return null;
        }
        return Match(first, second) ?? Match(second, first);
    }

    private static Value? Match(Node direct, Node rotated)
    {
        Value? source = rotated.Inputs.Select(RotatedSource).FirstOrDefault(found => found is not null);
        return source is not null && direct.Inputs.Contains(source) ? source : null;
    }

    /// <summary>What the halves of a Concat are taken from, one of them negated.</summary>
    private static Value? RotatedSource(Value? value)
    {
        for (int step = 0; step < Steps && value?.Producer is { OpType: "Reshape" or "Squeeze" or "Cast" } layout; step++)
        {
            value = layout.Input(0);
        }
        if (value?.Producer is not { OpType: "Concat" } join || !join.Inputs.Any(half => half?.Producer is { OpType: "Neg" } || half?.Producer?.Input(0)?.Producer is { OpType: "Neg" }))
        {
            return null;
        }
        Value?[] origins = [.. join.Inputs.Select(Origin).Distinct()];
        return origins is [{ } only] ? only : null;
    }

    private static Value? Origin(Value? half)
    {
        for (int step = 0; step < Steps && half?.Producer is { } node; step++)
        {
            if (node.OpType is not ("Neg" or "Slice" or "Split" or "Unsqueeze" or "Squeeze" or "Gather"))
            {
                return half;
            }
            half = node.Input(0);
        }
        return half;
    }
}
