using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>A frozen projection as numbers, de-quantised: what folding multiplies with. The weight is rounded to float32 as the runtime rounds it, sums are in double.</summary>
internal static class ProjectionWeights
{
    /// <summary>Applies the part of a projection to one vector: W x + bias, with its constant LoRA.</summary>
    /// <param name="reader">Reads the weight.</param>
    /// <param name="slice">The part.</param>
    /// <param name="vector">x, [input size].</param>
    /// <param name="withBias">Whether biases are added.</param>
    public static double[] Apply(TensorReader reader, ProjectionSlice slice, double[] vector, bool withBias)
    {
        double[] product = slice.Projection.Matrix is { } matrix
            ? Multiply(ReadMatrix(slice, matrix), vector)
            : QuantisedRows.Multiply(reader, QuantisedWeight.Of(slice.Projection.Node), Rows(slice), vector);
        foreach (LowRankUpdate update in slice.Projection.Updates)
        {
            double[] low = Apply(reader, new ProjectionSlice(update.Down, 0, update.Down.OutputSize), vector, withBias);
            double[] high = Apply(reader, slice with { Projection = update.Up, LateBias = null }, low, withBias);
            TensorPrimitives.MultiplyAdd(high, update.Factor, product, product);
        }
        if (withBias)
        {
            TensorPrimitives.Add(product, ReadBias(slice), product);
        }
        return product;
    }

    /// <summary>Rows of the weight and the bias of a part, with its constant LoRA merged into them: W + factor B A, for projections that many vectors pass.</summary>
    public static (double[] Rows, double[] Bias) Merge(TensorReader reader, ProjectionSlice slice)
    {
        (double[] rows, double[] bias) = (ReadRows(reader, slice), ReadBias(slice));
        foreach (LowRankUpdate update in slice.Projection.Updates)
        {
            (double[] down, double[] downBias) = Merge(reader, new ProjectionSlice(update.Down, 0, update.Down.OutputSize));
            (double[] up, double[] upBias) = Merge(reader, slice with { Projection = update.Up, LateBias = null });
            (int rank, int inputs) = (downBias.Length, rows.Length / bias.Length);
            for (int output = 0; output < bias.Length; output++)
            {
                Span<double> row = rows.AsSpan(output * inputs, inputs);
                bias[output] += update.Factor * upBias[output];
                for (int low = 0; low < rank; low++)
                {
                    double factor = update.Factor * up[(output * rank) + low];
                    TensorPrimitives.MultiplyAdd(down.AsSpan(low * inputs, inputs), factor, row, row);
                    bias[output] += factor * downBias[low];
                }
            }
        }
        return (rows, bias);
    }

    /// <summary>Rows of the weight, one for each output element: [count, input size] row-major.</summary>
    /// <param name="reader">Reads them.</param>
    /// <param name="slice">The part of the projection's output whose rows are wanted.</param>
    public static double[] ReadRows(TensorReader reader, ProjectionSlice slice) => slice.Projection.Matrix is { } matrix
        ? ReadMatrix(slice, matrix)
        : QuantisedRows.Read(reader, QuantisedWeight.Of(slice.Projection.Node), Rows(slice));

    /// <summary>The bias of the part, that of the whole projection and that of the part alone; zeros where there is none.</summary>
    public static double[] ReadBias(ProjectionSlice slice)
    {
        double[] bias = new double[slice.Count];
        if (slice.Projection.Bias is { } whole)
        {
            float[] numbers = Constants.Of(whole)!.ReadSingles();
            long[] rows = Rows(slice);
            for (int i = 0; i < bias.Length; i++)
            {
                bias[i] += numbers[rows[i]];
            }
        }
        if (slice.LateBias is { } late)
        {
            float[] numbers = Constants.Of(late.Vector)!.ReadSingles();
            for (int i = 0; i < bias.Length; i++)
            {
                bias[i] += numbers[late.First + i];
            }
        }
        return bias;
    }

    /// <summary>The output elements of the part: behind each other, or block by block with a stride.</summary>
    private static long[] Rows(ProjectionSlice slice)
    {
        long[] rows = new long[slice.Count];
        for (long i = 0; i < rows.Length; i++)
        {
            rows[i] = slice.OutputOf(i);
        }
        return rows;
    }

    private static double[] ReadMatrix(ProjectionSlice slice, FrozenMatrix matrix)
    {
        float[] stored = matrix.Quantisation is { } quantisation ? DequantizedMatrix.Read(matrix.Elements, quantisation) : matrix.Elements.ReadSingles();
        long inputs = matrix.InputSize;
        (long outputStep, long inputStep) = matrix.Transposed ? (inputs, 1L) : (1L, matrix.OutputSize);
        long[] outputs = Rows(slice);
        double[] rows = new double[outputs.Length * inputs];
        for (long row = 0; row < outputs.Length; row++)
        {
            for (long input = 0; input < inputs; input++)
            {
                rows[(row * inputs) + input] = slice.Projection.Factor * stored[(outputs[row] * outputStep) + (input * inputStep)];
            }
        }
        return rows;
    }

    private static double[] Multiply(double[] rows, double[] vector)
    {
        double[] product = new double[rows.Length / vector.Length];
        for (int row = 0; row < product.Length; row++)
        {
            product[row] = TensorPrimitives.Dot<double>(rows.AsSpan(row * vector.Length, vector.Length), vector);
        }
        return product;
    }
}
