using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>
/// Checks every com.microsoft.MatMulNBits, whatever part of the model it is in: its attributes claim the sizes of its tensors, and a native kernel that believes a
/// crafted claim reads past them. Source: github.com/microsoft/onnxruntime, docs/ContribOperators.md.
/// </summary>
internal static class QuantisedWeightChecks
{
    private const long LargestBlock = 1 << 20;

    /// <summary>Refuses a node whose attributes and stored tensors contradict each other; tensors that the graph computes are the runtime's to check.</summary>
    /// <exception cref="ModelRefusedException">They do.</exception>
    public static void RequireSound(Node node)
    {
        if (!node.Is("MatMulNBits", Domains.Microsoft))
        {
            return;
        }
        (long rows, long columns) = (node.Attributes.Int("N", 0), node.Attributes.Int("K", 0));
        (long bits, long blockSize) = (node.Attributes.Int("bits", 4), node.Attributes.Int("block_size", 0));
        if (rows is < 1 or > int.MaxValue || columns is < 1 or > int.MaxValue || bits is < 1 or > 8 || blockSize is < 1 or > LargestBlock)
        {
            throw new ModelRefusedException("The sizes of a quantised weight are out of range", $"{node}", $"N {rows}, K {columns}, bits {bits}, block_size {blockSize}",
                $"N and K from 1 to {int.MaxValue}, bits from 1 to 8, block_size from 1 to {LargestBlock}", "export the model again");
        }
        if (node.Attributes.Int("weight_prepacked", 0) != 0)
        {
            return;
        }
        Int128 blocks = (columns + blockSize - 1) / blockSize;
        Int128 zeroPoints = node.Input(3) is { ElementType: DataType.Uint8 } ? rows * (((blocks * bits) + 7) / 8) : rows * blocks;
        RequireCount(node, 1, "quantised elements", rows * blocks * (((blockSize * bits) + 7) / 8));
        RequireCount(node, 2, "scales", rows * blocks);
        RequireCount(node, 3, "zero points", zeroPoints);
        RequireCount(node, 4, "group indices", columns, blocks * blockSize);
        RequireCount(node, 5, "biases", rows);
    }

    private static void RequireCount(Node node, int input, string what, params ReadOnlySpan<Int128> expected)
    {
        if (node.Input(input)?.Initializer is { } stored && !expected.Contains(stored.Count))
        {
            throw new ModelRefusedException($"A quantised weight does not fit its tensors: the {what}", $"{node}, '{stored.Proto.Name}'", $"{stored.Count}", $"{expected[0]} for its N, K, bits and block_size", "the file is damaged or crafted: export the model again");
        }
    }
}
