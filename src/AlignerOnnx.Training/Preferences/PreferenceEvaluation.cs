using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>The mean loss over held-out pairs, supervised and kept terms included, and how far they are the right way round; the lowest loss is the best.</summary>
/// <param name="pairs">The pairs.</param>
/// <param name="options">Batch size and padding.</param>
/// <param name="preference">The loss.</param>
/// <param name="kept">Rows to keep, whose term belongs to the loss too; of more than 128 as many from all over stand for all. Null for none.</param>
public sealed class PreferenceEvaluation(ReferencedPairs pairs, TrainingOptions options, PreferenceOptions preference, KeptRows? kept = null) : IEvaluation
{
    // Enough to see what is lost; measuring hundreds of rows ten times would take longer than training.
    private const int MostKept = 128;

    private readonly KeptRows? _kept = kept?.Spread(MostKept);

    /// <inheritdoc/>
    public EvaluationMeasures Measure(IGradientEngine engine, AdapterParameters parameters, CancellationToken cancellationToken)
    {
        float[] policy = SequenceLogProbabilities.Measure(engine, pairs.Pairs, parameters, options.MicroBatchSize ?? options.BatchSize, options.PaddingId, cancellationToken);
        double[] references = [.. pairs.LogProbabilities.Select((value, row) => Share(row) * value)];
        double[] rewards = [.. policy.Select((value, row) => preference.Loss.Beta * ((Share(row) * value) - references[row]))];
        double loss = rewards.Chunk(2).Average(pair => PreferenceMeasures.Loss(pair[0] - pair[1], preference.Loss)) + (preference.SupervisedWeight * SupervisedLoss(policy));
        loss += _kept is null ? 0 : preference.KeptWeight * KeptLoss(_kept, engine, parameters, cancellationToken);
        return new EvaluationMeasures(loss, loss, PreferenceMeasures.Of(rewards, references, preference.Loss.Beta).Values);
    }

    private double Share(int row) => preference.Loss.Kind == PreferenceLossKind.Ipo ? 1.0 / Answer(row).TargetCount : 1;

    private TrainingExample Answer(int row) => row % 2 == 0 ? pairs.Pairs[row / 2].Chosen : pairs.Pairs[row / 2].Rejected;

    private double SupervisedLoss(float[] policy) => -policy.Where((_, row) => row % 2 == 0).Sum(value => (double)value) / pairs.Pairs.Sum(pair => pair.Chosen.TargetCount);

    private double KeptLoss(KeptRows rows, IGradientEngine engine, AdapterParameters parameters, CancellationToken cancellationToken)
    {
        IReadOnlyList<float[]> now = SequenceLogProbabilities.OfTokens(engine, rows.Rows, parameters, 2 * (options.MicroBatchSize ?? options.BatchSize), options.PaddingId, cancellationToken: cancellationToken);
        return now.Zip(rows.LogProbabilities).Sum(row => row.First.Zip(row.Second).Sum(token => Math.Pow(token.First - token.Second, 2))) / (2 * rows.TargetCount);
    }
}
