using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>
/// De-quantises rows of a MatMulNBits weight: (element - zero point) * scale of the element's block, rounded to float32 as the runtime rounds it: that is the weight the
/// model computes with.
/// </summary>
internal static class QuantisedRows
{
    /// <summary>The rows, [rows, K].</summary>
    public static double[] Read(TensorReader reader, QuantisedWeight weight, long[] rows)
    {
        using QuantisedPart part = QuantisedPart.Read(reader, weight, rows);
        int[] blocks = Blocks(weight);
        int columns = (int)weight.Columns;
        double[] numbers = new double[checked(rows.Length * columns)];
        for (int i = 0; i < rows.Length; i++)
        {
            ReadRow(part, rows[i], blocks, numbers.AsSpan(i * columns, columns));
        }
        return numbers;
    }

    /// <summary>The rows times a vector [K].</summary>
    public static double[] Multiply(TensorReader reader, QuantisedWeight weight, long[] rows, double[] vector)
    {
        using QuantisedPart part = QuantisedPart.Read(reader, weight, rows);
        return weight is { Bits: 4, BlockOfColumn: null } && weight.BlockSize % NibbleVector.Group == 0
            ? MultiplyNibbles(part, rows, vector)
            : MultiplyAny(part, rows, vector);
    }

    /// <summary>The common form, fast.</summary>
    private static double[] MultiplyNibbles(QuantisedPart part, long[] rows, double[] vector)
    {
        NibbleVector ordered = new(vector, (int)part.Weight.BlockSize);
        return Array.ConvertAll(rows, row => ordered.Dot(part.Elements(row), part.Scales(row), part.ZeroPoints(row)));
    }

    private static double[] MultiplyAny(QuantisedPart part, long[] rows, double[] vector)
    {
        int[] blocks = Blocks(part.Weight);
        double[] numbers = new double[vector.Length];
        return Array.ConvertAll(rows, row =>
        {
            ReadRow(part, row, blocks, numbers);
            return TensorPrimitives.Dot<double>(numbers, vector);
        });
    }

    private static void ReadRow(QuantisedPart part, long row, int[] blocks, Span<double> numbers)
    {
        ReadOnlySpan<byte> elements = part.Elements(row);
        ReadOnlySpan<float> scales = part.Scales(row);
        ReadOnlySpan<float> zeroPoints = part.ZeroPoints(row);
        int bits = part.Weight.Bits;
        for (int column = 0; column < numbers.Length; column++)
        {
            int block = blocks[column];
            numbers[column] = (QuantisedPart.Element(elements, bits, column) - zeroPoints[block]) * scales[block];
        }
    }

    /// <summary>The block of each column.</summary>
    private static int[] Blocks(QuantisedWeight weight)
    {
        if (weight.BlockOfColumn is null)
        {
            return [.. Enumerable.Range(0, (int)weight.Columns).Select(column => column / (int)weight.BlockSize)];
        }
        long[] blocks = Constants.Of(weight.BlockOfColumn)!.ReadInt64s();
        return Array.FindIndex(blocks, block => block < 0 || block >= weight.BlocksPerRow) is var wrong && wrong < 0
            ? Array.ConvertAll(blocks, block => (int)block)
            : throw new ModelRefusedException("A group index points outside the blocks", $"{weight.Node}, element {wrong}", $"{blocks[wrong]}", $"0 to {weight.BlocksPerRow - 1}", "export the model again");
    }
}
