namespace AlignerOnnx.Training;

/// <summary>The mean loss over the completion tokens of held-out rows; the lowest is the best.</summary>
/// <param name="rows">The rows, at least one, each with a completion token.</param>
/// <param name="options">Batch size and padding.</param>
public sealed class SupervisedEvaluation(IReadOnlyList<TrainingExample> rows, TrainingOptions options) : IEvaluation
{
    /// <inheritdoc/>
    public EvaluationMeasures Measure(IGradientEngine engine, AdapterParameters parameters, CancellationToken cancellationToken)
    {
        LossSummary summary = LossEvaluator.Measure(engine, rows, parameters, options.MicroBatchSize ?? options.BatchSize, options.PaddingId, cancellationToken);
        return new EvaluationMeasures(summary.Loss, summary.Loss);
    }
}
