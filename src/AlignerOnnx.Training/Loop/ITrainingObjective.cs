namespace AlignerOnnx.Training;

/// <summary>What training minimises. A step's rows depend on the step's number alone, so that a run can be continued at any step.</summary>
public interface ITrainingObjective
{
    /// <summary>Adds the gradient of one step's batch.</summary>
    /// <param name="engine">Computes gradients.</param>
    /// <param name="step">The step, 0-based.</param>
    /// <param name="parameters">Tokens and gates before the step.</param>
    /// <param name="gradient">Zero; the gradient is added to it.</param>
    /// <param name="cancellationToken">Stops the computation.</param>
    /// <returns>What the batch measured before the update.</returns>
    /// <exception cref="OperationCanceledException">The computation was stopped.</exception>
    StepMeasures ComputeGradient(IGradientEngine engine, int step, AdapterParameters parameters, GradientSum gradient, CancellationToken cancellationToken);

    /// <summary>Where the rows of a step stand in their file, for messages.</summary>
    /// <param name="step">The step, 0-based.</param>
    IReadOnlyList<string> PlacesOf(int step);
}

/// <summary>Measures parameters on held-out rows.</summary>
public interface IEvaluation
{
    /// <summary>Measures.</summary>
    /// <param name="engine">Computes losses.</param>
    /// <param name="parameters">Tokens and gates.</param>
    /// <param name="cancellationToken">Stops the measurement.</param>
    /// <returns>The measures.</returns>
    /// <exception cref="OperationCanceledException">The measurement was stopped.</exception>
    EvaluationMeasures Measure(IGradientEngine engine, AdapterParameters parameters, CancellationToken cancellationToken);
}

/// <summary>What the batch of one step measured before its update.</summary>
/// <param name="Loss">The loss that the step lowers.</param>
/// <param name="Tokens">Real tokens that the step read, prompts included.</param>
/// <param name="Values">Further measures by their name in metrics files; null for none.</param>
public sealed record StepMeasures(double Loss, long Tokens, IReadOnlyDictionary<string, double>? Values = null);

/// <summary>What held-out rows measured.</summary>
/// <param name="Loss">Their loss.</param>
/// <param name="Score">What the best checkpoint is chosen by; the lowest is the best, positive infinity is never chosen.</param>
/// <param name="Values">Further measures by their name in metrics files; null for none.</param>
public sealed record EvaluationMeasures(double Loss, double Score, IReadOnlyDictionary<string, double>? Values = null);
