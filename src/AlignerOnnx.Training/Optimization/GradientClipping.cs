using System.Numerics.Tensors;

namespace AlignerOnnx.Training;

/// <summary>Limits the length of a gradient.</summary>
public static class GradientClipping
{
    /// <summary>Scales all gradients by one factor so that their joint Euclidean norm is at most the limit, as <c>torch.nn.utils.clip_grad_norm_</c> does
    /// (factor = min(1, limit / (norm + 1e-6))).</summary>
    /// <param name="maximumNorm">The limit, above 0.</param>
    /// <param name="gradients">The arrays, changed in place.</param>
    /// <returns>The norm before scaling.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumNorm"/> is not above 0.</exception>
    public static double ClipByNorm(double maximumNorm, params float[][] gradients)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maximumNorm);
        double norm = Norm(gradients);
        double factor = maximumNorm / (norm + 1e-6);
        if (factor < 1)
        {
            foreach (float[] gradient in gradients)
            {
                TensorPrimitives.Multiply(gradient, (float)factor, gradient);
            }
        }
        return norm;
    }

    /// <summary>The joint Euclidean norm.</summary>
    /// <param name="gradients">The arrays.</param>
    /// <returns>The root of the sum of squares, summed in double.</returns>
    public static double Norm(params float[][] gradients)
    {
        ArgumentNullException.ThrowIfNull(gradients);
        double sum = 0;
        foreach (float[] gradient in gradients)
        {
            foreach (float value in gradient)
            {
                sum += (double)value * value;
            }
        }
        return Math.Sqrt(sum);
    }
}
