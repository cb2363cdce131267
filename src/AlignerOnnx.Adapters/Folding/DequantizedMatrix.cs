using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>Computes a DequantizeLinear of two dimensions: (element - zero point) * scale, with scales for the whole, for each index of an axis, or for blocks along it.</summary>
internal static class DequantizedMatrix
{
    /// <summary>The numbers, row-major as stored. The recogniser has checked that the shapes fit.</summary>
    public static float[] Read(Tensor elements, LinearQuantisation quantisation)
    {
        float[] scales = quantisation.Scales.ReadSingles();
        int[] stored = Integers(elements);
        int[]? zeros = quantisation.ZeroPoints is { } zeroPoints ? Integers(zeroPoints) : null;
        (long rows, long columns) = (elements.Shape[0], elements.Shape[1]);
        bool alongRows = quantisation.Axis == 0;
        long block = quantisation.BlockSize;
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
