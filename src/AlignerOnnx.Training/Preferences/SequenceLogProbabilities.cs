namespace AlignerOnnx.Training;

/// <summary>Measures how probable whole answers are.</summary>
public static class SequenceLogProbabilities
{
    /// <summary>The summed log-probability of the completion tokens of each answer.</summary>
    /// <param name="engine">Computes log-probabilities.</param>
    /// <param name="pairs">The pairs.</param>
    /// <param name="parameters">Tokens and gates; zero gates measure the base model.</param>
    /// <param name="batchSize">Pairs computed at once, 1 or more. Default 8.</param>
    /// <param name="paddingId">The token id of padding, without effect. Default 0.</param>
    /// <param name="cancellationToken">Stops the measurement.</param>
    /// <returns>[2 p], the preferred answer of each pair first.</returns>
    /// <exception cref="OperationCanceledException">The measurement was stopped.</exception>
    public static float[] Measure(IGradientEngine engine, IReadOnlyList<PreferencePair> pairs, AdapterParameters parameters, int batchSize = 8, int paddingId = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(pairs);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        List<float> sums = new(2 * pairs.Count);
        foreach (PreferencePair[] part in pairs.Chunk(batchSize))
        {
            TrainingBatch batch = TrainingBatch.Create([.. PreferenceBatch.Rows(part)], paddingId);
            sums.AddRange(BySequence(batch, engine.ComputeLogProbabilities(batch, parameters, cancellationToken), 2 * part.Length));
        }
        return [.. sums];
    }

    private static IEnumerable<float> BySequence(TrainingBatch batch, float[] logProbabilities, int sequences)
    {
        double[] sums = new double[sequences];
        for (int i = 0; i < logProbabilities.Length; i++)
        {
            sums[batch.TargetRows[i]] += logProbabilities[i];
        }
        return sums.Select(sum => (float)sum);
    }
}
