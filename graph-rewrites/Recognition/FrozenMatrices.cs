using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Finds constant matrices: initializers and Constant nodes behind any Transpose, Cast, Identity, Reshape that only adds ones, and DequantizeLinear.</summary>
internal static class FrozenMatrices
{
    private const int Steps = 8;

    /// <summary>The constant matrix that a value is.</summary>
    /// <param name="value">A factor of a product.</param>
    /// <param name="transposed">Whether the product transposes it.</param>
    public static Match<FrozenMatrix> Of(Value? value, bool transposed = false)
    {
        DataType? type = null;
        for (int step = 0; step < Steps && value is not null; step++)
        {
            if (Constants.Of(value) is { } stored)
            {
                return Plain(value, stored, transposed, type);
            }
            switch (value.Producer)
            {
                case { OpType: "Transpose" } transpose when SwapsLast(transpose):
                    transposed = !transposed;
                    value = transpose.Input(0);
                    break;
                case { OpType: "Cast" } cast:
                    type ??= (DataType)cast.Attributes.Int("to", 0);
                    value = cast.Input(0);
                    break;
                case { OpType: "Identity" } same:
                    value = same.Input(0);
                    break;
                case { OpType: "DequantizeLinear" } node:
                    return Dequantised(node, transposed, type);
                default:
                    return Match<FrozenMatrix>.Fail("the weight is not a constant", value);
            }
        }
        return Match<FrozenMatrix>.Fail("the weight is not a constant", value);
    }

    private static bool SwapsLast(Node transpose) =>
        transpose.Attributes.Ints("perm") is { } order ? order is [1, 0] or [0, 2, 1] : Ranks.Of(transpose.Input(0)) == 2;

    private static Match<FrozenMatrix> Plain(Value value, Tensor stored, bool transposed, DataType? type) =>
        stored.Shape.Count < 2 || stored.Count == 0 || stored.Shape.SkipLast(2).Any(size => size != 1) ? Match<FrozenMatrix>.Fail($"the weight of shape [{string.Join(',', stored.Shape)}] is no matrix", value)
        : stored.ElementType is not (DataType.Float or DataType.Float16 or DataType.Bfloat16) ? Match<FrozenMatrix>.Fail($"the weight is of {stored.ElementType}", value)
        : new FrozenMatrix(stored, transposed, type ?? stored.ElementType);

    private static Match<FrozenMatrix> Dequantised(Node node, bool transposed, DataType? type)
    {
        long axis = node.Attributes.Int("axis", 1);
        Match<FrozenMatrix> matrix = Quantised(node, node.Input(0), node.Input(1), node.Input(2), axis < 0 ? axis + 2 : axis, node.Attributes.Int("block_size", 0));
        DataType? computed = type ?? (node.Attributes.Int("output_dtype", 0) is var given and not 0 ? (DataType)given : null);
        return matrix.Success ? matrix.Found with { Transposed = transposed, ElementType = computed ?? matrix.Found.ElementType } : matrix;
    }

    /// <summary>The matrix that stored integers stand for with their scales and zero points.</summary>
    public static Match<FrozenMatrix> Quantised(Node node, Value? elements, Value? scales, Value? zeroPoints, long axis, long blockSize)
    {
        if (Constants.Of(elements) is not { } stored || Constants.Of(scales) is not { } factors)
        {
            return Match<FrozenMatrix>.Fail("the quantised weight and its scales are not constants", node);
        }
        if (zeroPoints is not null && Constants.Of(zeroPoints) is null)
        {
            return Match<FrozenMatrix>.Fail("the zero points are not constants", zeroPoints);
        }
        LinearQuantisation quantisation = new(factors, Constants.Of(zeroPoints), (int)Math.Clamp(axis, -1, 2), blockSize);
        return quantisation.Misfit(stored) is { } reason
            ? Match<FrozenMatrix>.Fail(reason, node)
            : new FrozenMatrix(stored, Transposed: false, factors.ElementType) { Quantisation = quantisation };
    }
}
