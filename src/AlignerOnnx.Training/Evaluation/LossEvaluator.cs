namespace AlignerOnnx.Training;

/// <summary>Measures the loss of a whole data set.</summary>
public static class LossEvaluator
{
    /// <summary>Measures one batch.</summary>
    /// <param name="engine">Computes log-probabilities.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="parameters">Tokens and gates.</param>
    /// <param name="cancellationToken">Stops a running computation.</param>
    /// <returns>Mean negative log-likelihood of the batch's completion tokens, whatever their weights, and how many they are.</returns>
    /// <exception cref="OperationCanceledException">The computation was stopped.</exception>
    public static LossSummary Evaluate(this IGradientEngine engine, TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(batch);
        return new LossSummary(-engine.ComputeLogProbabilities(batch, parameters, cancellationToken).Average(value => (double)value), batch.TargetCount);
    }

    /// <summary>The mean over all completion tokens, each with the same weight however rows fall into batches.</summary>
    /// <param name="engine">Computes losses.</param>
    /// <param name="rows">The rows, at least one, each with a completion token.</param>
    /// <param name="parameters">Tokens and gates; zero gates measure the base model.</param>
    /// <param name="batchSize">Rows computed at once, 1 or more. Default 16.</param>
    /// <param name="paddingId">The token id of padding, without effect. Default 0.</param>
    /// <param name="cancellationToken">Stops the measurement.</param>
    /// <returns>Mean loss and number of completion tokens.</returns>
    /// <exception cref="ArgumentException">There is no row.</exception>
    /// <exception cref="OperationCanceledException">The measurement was stopped.</exception>
    public static LossSummary Measure(IGradientEngine engine, IReadOnlyList<TrainingExample> rows, AdapterParameters parameters, int batchSize = 16, int paddingId = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (rows.Count == 0)
        {
            throw new ArgumentException("A loss needs at least one row.", nameof(rows));
        }
        double sum = 0;
        long tokens = 0;
        foreach (TrainingExample[] part in rows.Chunk(batchSize))
        {
            LossSummary batch = engine.Evaluate(TrainingBatch.Create(part, paddingId), parameters, cancellationToken);
            sum += batch.Loss * batch.Tokens;
            tokens += batch.Tokens;
        }
        return new LossSummary(sum / tokens, tokens);
    }
}
