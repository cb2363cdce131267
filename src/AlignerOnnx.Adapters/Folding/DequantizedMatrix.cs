using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>Computes a DequantizeLinear of two dimensions: (element - zero point) * scale, with scales for the whole, for each index of an axis, or for blocks along it.</summary>
internal static class DequantizedMatrix
{
    /// <summary>The numbers, row-major as stored. The recogniser has checked that the shapes fit.</summary>
    public static float[] Read(Node node)
    {
        Tensor elements = node.Input(0)!.Initializer!;
        float[] scales = node.Input(1)!.Initializer!.ReadSingles();
        int[] stored = Integers(elements);
        int[]? zeros = node.Input(2)?.Initializer is { } zeroPoints ? Integers(zeroPoints) : null;
        (long rows, long columns) = (elements.Shape[0], elements.Shape[1]);
        bool alongRows = node.Attributes.Int("axis", 1) is 0 or -2;
        long block = node.Attributes.Int("block_size", 0);
        float[] numbers = new float[stored.Length];
        for (long row = 0; row < rows; row++)
        {
            for (long column = 0; column < columns; column++)
            {
                long scale = scales.Length == 1 ? 0
                    : block == 0 ? (alongRows ? row : column)
                    : alongRows ? (row / block * columns) + column
                    : (row * ((columns + block - 1) / block)) + (column / block);
                long place = (row * columns) + column;
                numbers[place] = (stored[place] - (zeros?[scale] ?? 0)) * scales[scale];
            }
        }
        return numbers;
    }

    private static int[] Integers(Tensor tensor)
    {
        byte[] bytes = tensor.ReadBytes();
        int[] numbers = new int[tensor.Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            int nibble = tensor.ElementType is DataType.Int4 or DataType.Uint4 ? (bytes[i / 2] >> (4 * (i % 2))) & 0xF : 0;
            numbers[i] = tensor.ElementType switch
            {
                DataType.Uint8 => bytes[i],
                DataType.Int8 => (sbyte)bytes[i],
                DataType.Uint4 => nibble,
                _ => nibble >= 8 ? nibble - 16 : nibble,
            };
        }
        return numbers;
    }
}
