using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>How many dimensions a value has, declared or inferred from the operators that a decoder is made of.</summary>
internal static class Ranks
{
    private const int Steps = 64;

    /// <summary>The number of dimensions; null where neither the file nor the operators say.</summary>
    public static int? Of(Value? value)
    {
        for (int step = 0; step < Steps && value is not null; step++)
        {
            if (value.Initializer is { } stored)
            {
                return stored.Shape.Count;
            }
            if (value.Type?.TensorType?.Shape is { } shape)
            {
                return shape.Dim.Count;
            }
            switch (value.Producer)
            {
                case { OpType: "Reshape" } reshape:
                    return Length(reshape.Input(1));
                case { OpType: "Transpose" } transpose when transpose.Attributes.Ints("perm") is { } order:
                    return order.Count;
                case { OpType: "Gemm" }:
                    return 2;
                case { OpType: "GroupQueryAttention" or "MultiHeadAttention" or "SparseAttention", Domain: Domains.Microsoft }:
                    return 3;
                case { OpType: "PagedAttention", Domain: Domains.Microsoft }:
                    return 2;
                case { OpType: "Gather" } gather:
                    return Of(gather.Input(0)) + Of(gather.Input(1)) - 1;
                case { OpType: "Add" or "Sub" or "Mul" or "Div" } binary when Constants.Of(binary.Input(0)) is not null:
                    value = binary.Input(1);
                    break;
                case { } node when node.Inputs.Count > 0:
                    value = node.Input(0);
                    break;
                default:
                    return null;
            }
        }
        return null;
    }

    /// <summary>How many numbers a shape holds.</summary>
    private static int? Length(Value? shape)
    {
        if (Constants.Of(shape) is { } stored)
        {
            return (int)Math.Min(stored.Count, int.MaxValue);
        }
        if (shape?.Producer is { OpType: "Concat" } join)
        {
            int total = 0;
            foreach (Value? part in join.Inputs)
            {
                total += Constants.Of(part) is { } numbers ? (int)Math.Min(numbers.Count, int.MaxValue) : 1;
            }
            return total;
        }
        return shape?.Producer is { OpType: "Shape" } whole && whole.Attributes.All.Count == 0 ? Of(whole.Input(0)) : null;
    }
}
