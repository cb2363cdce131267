using System.Numerics.Tensors;

namespace AlignerOnnx.Training;

/// <summary>The gradient of one update, summed over its micro-batches.</summary>
/// <param name="shape">The shape of tokens and gates.</param>
public sealed class GradientSum(AdapterShape shape)
{
    /// <summary>Derivative of the loss by the tokens [n, d].</summary>
    public float[] Tokens { get; } = new float[shape.TokenValues];

    /// <summary>Derivative of the loss by the gates [L', H].</summary>
    public float[] Gates { get; } = new float[shape.GateValues];

    /// <summary>Adds the gradient of one micro-batch.</summary>
    /// <param name="part">Its result, weighted as its share of the whole batch.</param>
    public void Add(GradientResult part)
    {
        ArgumentNullException.ThrowIfNull(part);
        TensorPrimitives.Add(Tokens, part.TokenGradient, Tokens);
        TensorPrimitives.Add(Gates, part.GateGradient, Gates);
    }

    internal void Clear()
    {
        Array.Clear(Tokens);
        Array.Clear(Gates);
    }
}
