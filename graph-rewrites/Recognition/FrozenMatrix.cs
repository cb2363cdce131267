using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>A constant matrix as a graph stores it: as it is, transposed, converted to another float type, or quantised behind a DequantizeLinear.</summary>
/// <param name="Stored">The value that holds the elements, a constant of two dimensions.</param>
/// <param name="Transposed">Whether it is stored as [output, input] rather than [input, output].</param>
/// <param name="Dequantise">The DequantizeLinear behind it; null where the elements are the numbers themselves.</param>
public sealed record FrozenMatrix(Value Stored, bool Transposed, Node? Dequantise)
{
    private const int Steps = 6;

    /// <summary>The size of what the matrix multiplies.</summary>
    public long InputSize => Stored.Initializer!.Shape[Transposed ? 1 : 0];

    /// <summary>The size of the product.</summary>
    public long OutputSize => Stored.Initializer!.Shape[Transposed ? 0 : 1];

    /// <summary>The stored tensors: the elements and, where they are quantised, the scales and zero points.</summary>
    public IEnumerable<Tensor> Tensors => Dequantise is null
        ? [Stored.Initializer!]
        : Dequantise.Inputs.Select(input => input?.Initializer).OfType<Tensor>();

    /// <summary>The constant matrix that a value is.</summary>
    /// <param name="value">A factor of a product.</param>
    /// <param name="transposed">Whether the product transposes it.</param>
    internal static Match<FrozenMatrix> Of(Value? value, bool transposed = false)
    {
        Node? dequantise = null;
        for (int step = 0; step < Steps && value is not null; step++)
        {
            if (value is { IsConstant: true, Initializer: { } stored })
            {
                return stored.Shape.Count != 2 ? Match<FrozenMatrix>.Fail($"the weight has {stored.Shape.Count} dimensions", value)
                    : dequantise is null && stored.ElementType is not (DataType.Float or DataType.Float16 or DataType.Bfloat16) ? Match<FrozenMatrix>.Fail($"the weight is of {stored.ElementType}", value)
                    : new FrozenMatrix(value, transposed, dequantise);
            }
            switch (value.Producer)
            {
                case { OpType: "Transpose" } transpose when transpose.Attributes.Ints("perm") is null or [1, 0]:
                    transposed = !transposed;
                    value = transpose.Input(0);
                    break;
                case { OpType: "Cast" or "Identity" } same:
                    value = same.Input(0);
                    break;
                case { OpType: "DequantizeLinear" } node when dequantise is null && Misfit(node) is null:
                    dequantise = node;
                    value = node.Input(0);
                    break;
                case { OpType: "DequantizeLinear" } node:
                    return Match<FrozenMatrix>.Fail(Misfit(node) ?? "the weight is de-quantised twice", node);
                default:
                    return Match<FrozenMatrix>.Fail("the weight is not a constant", value);
            }
        }
        return Match<FrozenMatrix>.Fail("the weight is not a constant", value);
    }

    /// <summary>Why the stored form of a DequantizeLinear cannot be read back; null where it can.</summary>
    private static string? Misfit(Node node)
    {
        if (node.Input(0) is not { IsConstant: true, Initializer: { } elements } || node.Input(1) is not { IsConstant: true, Initializer: { } scales } || elements.Shape.Count != 2)
        {
            return "the quantised weight and its scales are not constants";
        }
        if (elements.ElementType is not (DataType.Int4 or DataType.Uint4 or DataType.Int8 or DataType.Uint8))
        {
            return $"the quantised weight is of {elements.ElementType}";
        }
        if (node.Input(2) is { } zeroPoints && (zeroPoints is not { IsConstant: true, Initializer: { } zeros } || zeros.ElementType != elements.ElementType || zeros.Count != scales.Count))
        {
            return "the zero points do not match the scales";
        }
        long axis = node.Attributes.Int("axis", 1);
        long block = node.Attributes.Int("block_size", 0);
        if (axis is < -2 or > 1 || block < 0)
        {
            return $"axis {axis} or block size {block} is out of range";
        }
        axis = axis < 0 ? axis + 2 : axis;
        long along = elements.Shape[(int)axis];
        long expected = block > 0 ? (along + block - 1) / block * elements.Shape[(int)(1 - axis)] : scales.Count == 1 ? 1 : along;
        return scales.Count == expected ? null : $"{scales.Count} scales do not fit a matrix of {elements.Shape[0]} x {elements.Shape[1]}";
    }
}
