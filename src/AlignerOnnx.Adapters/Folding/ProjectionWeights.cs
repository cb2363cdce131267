using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>The numbers of a frozen projection, de-quantised: what folding multiplies with.</summary>
internal static class ProjectionWeights
{
    /// <summary>Rows of the weight, one for each output element: [count, input size] row-major.</summary>
    /// <param name="slice">The part of the projection's output whose rows are wanted.</param>
    public static double[] ReadRows(ProjectionSlice slice) => slice.Projection.IsQuantised
        ? ReadQuantised(QuantisedWeight.Of(slice.Projection.Node), slice.First, slice.Count)
        : ReadMatrix(slice.Projection, slice.First, slice.Count);

    /// <summary>The bias of the part; zeros where the projection has none.</summary>
    public static double[] ReadBias(ProjectionSlice slice) => slice.Projection.Bias?.Initializer is { } bias
        ? [.. bias.ReadSingles().Skip((int)slice.First).Take((int)slice.Count).Select(number => (double)number)]
        : new double[slice.Count];

    private static double[] ReadMatrix(Projection projection, long first, long count)
    {
        FrozenMatrix matrix = projection.Matrix!;
        float[] stored = matrix.Quantisation is { } quantisation ? DequantizedMatrix.Read(matrix.Elements, quantisation) : matrix.Elements.ReadSingles();
        (long outputStep, long inputStep) = matrix.Transposed ? (projection.InputSize, 1L) : (1L, projection.OutputSize);
        double[] rows = new double[count * projection.InputSize];
        for (long output = 0; output < count; output++)
        {
            for (long input = 0; input < projection.InputSize; input++)
            {
                rows[(output * projection.InputSize) + input] = projection.Factor * stored[((first + output) * outputStep) + (input * inputStep)];
            }
        }
        return rows;
    }

    private static double[] ReadQuantised(QuantisedWeight weight, long first, long count)
    {
        byte[] elements = weight.Elements.Initializer!.ReadBytes();
        float[] scales = weight.Scales.Initializer!.ReadSingles();
        byte[]? zeroPoints = weight.ZeroPoints?.Initializer?.ReadBytes();
        double[] rows = new double[count * weight.Columns];
        for (long row = 0; row < count; row++)
        {
            for (long column = 0; column < weight.Columns; column++)
            {
                long block = column / weight.BlockSize;
                int zero = zeroPoints is null ? 1 << (weight.Bits - 1) : Element(zeroPoints, weight.Bits, (first + row) * weight.ZeroPointBytesPerRow, block);
                int element = Element(elements, weight.Bits, (first + row) * weight.PaddedColumns * weight.Bits / 8, column);
                // The product is rounded to float32 as the runtime rounds it: that is the weight the model computes with.
                rows[(row * weight.Columns) + column] = (element - zero) * scales[((first + row) * weight.BlocksPerRow) + block];
            }
        }
        return rows;
    }

    private static int Element(byte[] bytes, int bits, long rowStart, long index) => bits == 8
        ? bytes[rowStart + index]
        : (bytes[rowStart + (index / 2)] >> (int)(4 * (index % 2))) & 0xF;
}
