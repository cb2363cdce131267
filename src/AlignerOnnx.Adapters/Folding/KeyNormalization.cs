using System.Numerics.Tensors;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>The root-mean-square normalization of keys, over a head or over the whole projection, in double precision.</summary>
internal static class KeyNormalization
{
    /// <summary>The normalised keys [G * head size]; the keys themselves where the layer has no normalization.</summary>
    public static double[] Apply(AttentionSite site, double[] keys)
    {
        if (site.KeyNormalization is not { } normalization)
        {
            return keys;
        }
        double[] weight = [.. normalization.ReadWeight().Select(number => (double)number)];
        double[] normal = new double[keys.Length];
        for (int first = 0; first < keys.Length; first += weight.Length)
        {
            ReadOnlySpan<double> part = keys.AsSpan(first, weight.Length);
            double scale = 1 / Math.Sqrt((TensorPrimitives.SumOfSquares(part) / weight.Length) + normalization.Epsilon);
            TensorPrimitives.Multiply(part, scale, normal.AsSpan(first, weight.Length));
            TensorPrimitives.Multiply(normal.AsSpan(first, weight.Length), weight, normal.AsSpan(first, weight.Length));
        }
        return normal;
    }
}
