using System.Numerics.Tensors;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>Keys and values of tokens in one layer: raw tokens through the layer's de-quantised projections, biases and key normalization; sums in double precision.</summary>
internal static class TokenFolding
{
    /// <summary>The keys, not rotated, [N, G * head size].</summary>
    /// <param name="site">The layer.</param>
    /// <param name="tokens">P, [N, d].</param>
    public static double[] Keys(AttentionSite site, ReadOnlySpan<float> tokens)
    {
        double[] keys = Project(site.Key, tokens);
        if (site.KeyNormalization is { } normalization)
        {
            Normalize(keys, normalization, normalization.PerHead ? site.HeadSize : (int)site.Key.Count);
        }
        return keys;
    }

    /// <summary>The values, [N, G * head size].</summary>
    /// <param name="site">The layer.</param>
    /// <param name="tokens">P, [N, d].</param>
    public static double[] Values(AttentionSite site, ReadOnlySpan<float> tokens) => Project(site.Value, tokens);

    /// <summary>A matrix of rows times a vector.</summary>
    public static void Multiply(ReadOnlySpan<double> rows, ReadOnlySpan<double> vector, Span<double> product)
    {
        for (int row = 0; row < product.Length; row++)
        {
            product[row] = TensorPrimitives.Dot(rows.Slice(row * vector.Length, vector.Length), vector);
        }
    }

    private static double[] Project(ProjectionSlice slice, ReadOnlySpan<float> tokens)
    {
        (int inputs, int outputs) = ((int)slice.Projection.InputSize, (int)slice.Count);
        double[] rows = ProjectionWeights.ReadRows(slice);
        double[] bias = ProjectionWeights.ReadBias(slice);
        double[] token = new double[inputs];
        double[] projected = new double[tokens.Length / inputs * outputs];
        for (int i = 0; i < tokens.Length / inputs; i++)
        {
            Span<double> result = projected.AsSpan(i * outputs, outputs);
            TensorPrimitives.ConvertChecked(tokens.Slice(i * inputs, inputs), token);
            Multiply(rows, token, result);
            TensorPrimitives.Add(result, bias, result);
        }
        return projected;
    }

    /// <summary>weight * x / sqrt(mean(x^2) + epsilon), for each part of a size.</summary>
    private static void Normalize(Span<double> numbers, HeadNormalization normalization, int size)
    {
        double[] weight = [.. normalization.Stored.ReadSingles().Select(number => (double)number)];
        for (int start = 0; start < numbers.Length; start += size)
        {
            Span<double> part = numbers.Slice(start, size);
            double scale = 1 / Math.Sqrt((TensorPrimitives.SumOfSquares<double>(part) / size) + normalization.Epsilon);
            TensorPrimitives.Multiply(part, scale, part);
            TensorPrimitives.Multiply<double>(part, weight, part);
        }
    }
}
