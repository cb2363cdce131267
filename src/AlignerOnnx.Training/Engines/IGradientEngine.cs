namespace AlignerOnnx.Training;

/// <summary>Computes losses and gradients of one model. Not safe for concurrent calls.</summary>
public interface IGradientEngine : IDisposable
{
    /// <summary>Loss and gradients of a batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="parameters">Tokens and gates, as the graph's shapes ask.</param>
    /// <param name="cancellationToken">Stops a running computation.</param>
    /// <returns>The result; its arrays are the engine's and hold until its next call.</returns>
    /// <exception cref="OperationCanceledException">The computation was stopped.</exception>
    GradientResult ComputeGradients(TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken = default);

    /// <summary>The log-probabilities of a batch's targets, without gradients.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="parameters">Tokens and gates.</param>
    /// <param name="cancellationToken">Stops a running computation.</param>
    /// <returns>Log-probability of each target [m], natural logarithm, whatever its weight.</returns>
    /// <exception cref="OperationCanceledException">The computation was stopped.</exception>
    float[] ComputeLogProbabilities(TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken = default);
}

/// <summary>What one run of the gradient graph gives.</summary>
/// <param name="Loss">Sum of target weight times negative log-likelihood.</param>
/// <param name="TokenGradient">Derivative of the loss by the tokens [n, d].</param>
/// <param name="GateGradient">Derivative of the loss by the gates [L', H].</param>
/// <param name="TargetLogProbabilities">Log-probability of each target [m], natural logarithm.</param>
public sealed record GradientResult(double Loss, float[] TokenGradient, float[] GateGradient, float[] TargetLogProbabilities)
{
    /// <summary>The reward of each sequence of the batch's pairs [2 p]; null for a batch without pairs.</summary>
    public float[]? Rewards { get; init; }
}

/// <summary>A loss over tokens.</summary>
/// <param name="Loss">Mean negative log-likelihood of the completion tokens, natural logarithm.</param>
/// <param name="Tokens">How many completion tokens.</param>
public sealed record LossSummary(double Loss, long Tokens)
{
    /// <summary>e to the power of the loss.</summary>
    public double Perplexity => Math.Exp(Loss);
}
