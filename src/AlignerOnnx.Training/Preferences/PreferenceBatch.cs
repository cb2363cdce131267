using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>Makes the batches of preference graphs.</summary>
public static class PreferenceBatch
{
    /// <summary>Makes one batch of both answers of some pairs, and of rows to keep.</summary>
    /// <param name="part">The pairs.</param>
    /// <param name="options">The loss.</param>
    /// <param name="whole">The pairs of the whole update, of which the given ones are a part: losses are means over these. Null for the given ones.</param>
    /// <param name="kept">Rows to keep; null for none.</param>
    /// <param name="keptTargets">The completion tokens of the rows to keep of the whole update. Null for those of the given ones.</param>
    /// <param name="paddingId">The token id of padding, without effect. Default 0.</param>
    /// <param name="pack">Whether short rows share a line. Default false.</param>
    /// <returns>The batch, with <see cref="TrainingBatch.Pairs"/>.</returns>
    public static TrainingBatch Create(ReferencedPairs part, PreferenceOptions options, ReferencedPairs? whole = null, KeptRows? kept = null, int? keptTargets = null, int paddingId = 0, bool pack = false)
    {
        ArgumentNullException.ThrowIfNull(part);
        ArgumentNullException.ThrowIfNull(options);
        whole ??= part;
        TrainingExample[] answers = [.. PreferencePair.AnswersOf(part.Pairs)];
        TrainingBatch batch = TrainingBatch.Create([.. answers, .. kept?.Rows ?? []], paddingId, pack: pack);
        // The identity loss compares means over an answer's tokens, as its users do (TRL): a sum would ask more of long answers.
        float[] share = [.. answers.Select(row => options.Loss.Kind == PreferenceLossKind.Ipo ? 1f / row.TargetCount : 1f)];
        float supervised = (float)(options.SupervisedWeight / whole.Pairs.Sum(pair => pair.Chosen.TargetCount));
        Fill(batch.TargetWeights, batch, row => row < answers.Length && row % 2 == 0 ? supervised : 0);
        batch.Pairs = new PairTargets(
            Array.ConvertAll(batch.TargetRows, row => row < answers.Length ? row : 0L),
            Fill(new float[batch.TargetCount], batch, row => row < answers.Length ? share[row] : 0),
            [.. part.LogProbabilities.Select((value, row) => value * share[row])],
            [.. Enumerable.Repeat(1f / whole.Pairs.Count, part.Pairs.Count)],
            new float[batch.TargetCount],
            new float[batch.TargetCount]);
        if (kept is not null)
        {
            Keep(batch, answers.Length, kept, (float)(options.KeptWeight / (keptTargets ?? kept.TargetCount)));
        }
        return batch;
    }

    private static float[] Fill(float[] values, TrainingBatch batch, Func<int, float> ofRow)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ofRow(batch.TargetRows[i]);
        }
        return values;
    }

    private static void Keep(TrainingBatch batch, int first, KeptRows kept, float weight)
    {
        int[] next = new int[kept.Rows.Count];
        for (int i = 0; i < batch.TargetCount; i++)
        {
            int row = batch.TargetRows[i] - first;
            if (row >= 0)
            {
                batch.Pairs!.KeptLogProbabilities[i] = kept.LogProbabilities[row][next[row]++];
                batch.Pairs.KeptWeights[i] = weight;
            }
        }
    }
}
