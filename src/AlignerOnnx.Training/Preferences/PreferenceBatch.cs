using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>Makes the batches of preference graphs.</summary>
public static class PreferenceBatch
{
    /// <summary>Makes one batch of both answers of some pairs.</summary>
    /// <param name="part">The pairs.</param>
    /// <param name="options">The loss.</param>
    /// <param name="whole">The pairs of the whole update, of which the given ones are a part: losses are means over these. Null for the given ones.</param>
    /// <param name="paddingId">The token id of padding, without effect. Default 0.</param>
    /// <param name="pack">Whether short rows share a line. Default false.</param>
    /// <returns>The batch, with <see cref="TrainingBatch.Pairs"/>.</returns>
    public static TrainingBatch Create(ReferencedPairs part, PreferenceOptions options, ReferencedPairs? whole = null, int paddingId = 0, bool pack = false)
    {
        ArgumentNullException.ThrowIfNull(part);
        ArgumentNullException.ThrowIfNull(options);
        whole ??= part;
        TrainingExample[] rows = [.. Rows(part.Pairs)];
        TrainingBatch batch = TrainingBatch.Create(rows, paddingId, pack: pack);
        float supervised = (float)(options.SupervisedWeight / whole.Pairs.Sum(pair => pair.Chosen.TargetCount));
        // The identity loss compares means over an answer's tokens, as its users do (TRL): a sum would ask more of long answers.
        float[] share = [.. rows.Select(row => options.Loss.Kind == PreferenceLossKind.Ipo ? 1f / row.TargetCount : 1f)];
        for (int i = 0; i < batch.TargetCount; i++)
        {
            batch.TargetWeights[i] = batch.TargetRows[i] % 2 == 0 ? supervised : 0;
        }
        batch.Pairs = new PairTargets(
            Array.ConvertAll(batch.TargetRows, row => (long)row),
            Array.ConvertAll(batch.TargetRows, row => share[row]),
            [.. part.LogProbabilities.Select((value, row) => value * share[row])],
            [.. Enumerable.Repeat(1f / whole.Pairs.Count, part.Pairs.Count)]);
        return batch;
    }

    /// <summary>Both answers of each pair, the preferred one first.</summary>
    internal static IEnumerable<TrainingExample> Rows(IEnumerable<PreferencePair> pairs) => pairs.SelectMany(pair => new[] { pair.Chosen, pair.Rejected });
}
