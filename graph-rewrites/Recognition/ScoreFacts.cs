using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>What happens to attention scores besides the scale. A token's own softmax takes the soft-cap, and none of the rest: window, bias and sinks are about the sequence.</summary>
/// <param name="SoftCap">The bound, cap * tanh(score / cap); 0 for none.</param>
/// <param name="LocalWindow">How many keys a query sees, itself included; -1 for all.</param>
/// <param name="Bias">What is added to scores besides the causal mask; null for nothing. Where the core has no mask of its own it is the mask.</param>
/// <param name="Sinks">Scores that only join the denominator of the softmax, one for each query head; of decomposed attention the column that is joined to the scores; null for none.</param>
/// <param name="SmoothSoftmax">Whether the denominator has one more, as a sink of score 0.</param>
/// <param name="IsCausal">Whether the core itself hides later keys.</param>
public sealed record ScoreFacts(float SoftCap = 0, long LocalWindow = -1, Value? Bias = null, Value? Sinks = null, bool SmoothSoftmax = false, bool IsCausal = true)
{
    /// <summary>Causal attention, nothing else.</summary>
    public static ScoreFacts Plain { get; } = new();
}
