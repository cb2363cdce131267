using System.Numerics.Tensors;

namespace AlignerOnnx.Training;

/// <summary>Compares logits [positions, V].</summary>
internal static class LogitsComparison
{
    public static bool BitwiseEqual(float[] a, float[] b) => a.AsSpan().Length == b.Length
        && System.Runtime.InteropServices.MemoryMarshal.AsBytes(a.AsSpan()).SequenceEqual(System.Runtime.InteropServices.MemoryMarshal.AsBytes(b.AsSpan()));

    /// <summary>The largest difference and its element.</summary>
    public static (double Difference, int Element) Largest(float[] a, float[] b)
    {
        (double Difference, int Element) largest = (0, 0);
        for (int i = 0; i < a.Length; i++)
        {
            double difference = Math.Abs((double)a[i] - b[i]);
            // Not "greater": a NaN must not pass.
            if (!(difference <= largest.Difference))
            {
                largest = (double.IsNaN(difference) ? double.PositiveInfinity : difference, i);
            }
        }
        return largest;
    }

    /// <summary>The share of positions with the same largest logit.</summary>
    public static double TopOneAgreement(float[] a, float[] b, int vocabulary)
    {
        int positions = a.Length / vocabulary;
        int same = Enumerable.Range(0, positions).Count(position =>
            TensorPrimitives.IndexOfMax<float>(a.AsSpan(position * vocabulary, vocabulary)) == TensorPrimitives.IndexOfMax<float>(b.AsSpan(position * vocabulary, vocabulary)));
        return (double)same / positions;
    }

    /// <summary>Mean over positions of KL(reference || other), in nats.</summary>
    public static double Divergence(float[] reference, float[] other, int vocabulary)
    {
        int positions = reference.Length / vocabulary;
        return Enumerable.Range(0, positions).Average(position =>
            Divergence(reference.AsSpan(position * vocabulary, vocabulary), other.AsSpan(position * vocabulary, vocabulary)));
    }

    private static double Divergence(ReadOnlySpan<float> reference, ReadOnlySpan<float> other)
    {
        double referenceNormal = LogSum(reference);
        double otherNormal = LogSum(other);
        double sum = 0;
        for (int i = 0; i < reference.Length; i++)
        {
            double logProbability = reference[i] - referenceNormal;
            sum += Math.Exp(logProbability) * (logProbability - (other[i] - otherNormal));
        }
        return sum;
    }

    private static double LogSum(ReadOnlySpan<float> logits)
    {
        double largest = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp(logit - largest);
        }
        return largest + Math.Log(sum);
    }
}
