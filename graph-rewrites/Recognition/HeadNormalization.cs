using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// A root-mean-square normalization of queries or keys before the rotary embedding: weight * x / sqrt(mean(x^2) + epsilon).
/// Over each head (Qwen3, Gemma 3) or over the whole projection (OLMo 2).
/// </summary>
/// <param name="Weight">The weight, a constant vector of head size or of all heads' elements.</param>
/// <param name="Epsilon">What is added to the mean square.</param>
/// <param name="PerHead">Whether each head is normalised on its own; else all heads of a position together.</param>
public sealed record HeadNormalization(Value Weight, float Epsilon, bool PerHead = true)
{
    /// <summary>The numbers of the weight.</summary>
    public float[] ReadWeight() => Constants.Of(Weight)!.ReadSingles();
}
