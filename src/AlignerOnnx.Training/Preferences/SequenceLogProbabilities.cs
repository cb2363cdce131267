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
    public static float[] Measure(IGradientEngine engine, IReadOnlyList<PreferencePair> pairs, AdapterParameters parameters, int batchSize = 8, int paddingId = 0, CancellationToken cancellationToken = default) =>
        [.. OfTokens(engine, [.. PreferencePair.AnswersOf(pairs)], parameters, 2 * batchSize, paddingId, cancellationToken: cancellationToken).Select(tokens => (float)tokens.Sum(token => (double)token))];

    /// <summary>The log-probability of every completion token of each row.</summary>
    /// <param name="engine">Computes log-probabilities.</param>
    /// <param name="rows">The rows, each with a completion token.</param>
    /// <param name="parameters">Tokens and gates; zero gates measure the base model.</param>
    /// <param name="batchSize">Rows computed at once, 1 or more. Default 16.</param>
    /// <param name="paddingId">The token id of padding, without effect. Default 0.</param>
    /// <param name="measured">Is told the number of rows of each batch that is measured.</param>
    /// <param name="cancellationToken">Stops the measurement.</param>
    /// <returns>Row by row, in the order of the tokens.</returns>
    /// <exception cref="OperationCanceledException">The measurement was stopped.</exception>
    public static IReadOnlyList<float[]> OfTokens(IGradientEngine engine, IReadOnlyList<TrainingExample> rows, AdapterParameters parameters, int batchSize = 16, int paddingId = 0, Action<int>? measured = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        List<float[]> all = new(rows.Count);
        foreach (TrainingExample[] part in rows.Chunk(batchSize))
        {
            TrainingBatch batch = TrainingBatch.Create(part, paddingId);
            ILookup<int, float> byRow = batch.TargetRows.Zip(engine.ComputeLogProbabilities(batch, parameters, cancellationToken)).ToLookup(target => target.First, target => target.Second);
            all.AddRange(Enumerable.Range(0, part.Length).Select(row => byRow[row].ToArray()));
            measured?.Invoke(part.Length);
        }
        return all;
    }
}
