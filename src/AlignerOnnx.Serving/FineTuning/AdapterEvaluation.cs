using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The loss of one model on a data set, with an adapter or without.</summary>
/// <param name="Adapter">The adapter folder; null for the base model.</param>
/// <param name="Loss">Mean negative log-likelihood of the completion tokens.</param>
/// <param name="Tokens">How many completion tokens.</param>
/// <param name="Perplexity">e to the power of the loss.</param>
public sealed record AdapterLoss(string? Adapter, double Loss, long Tokens, double Perplexity)
{
    /// <summary>How it ranks pairs of answers, of which the loss is that of the preferred ones; null where the data are not pairs.</summary>
    public PreferenceScores? Preference { get; init; }
}

/// <summary>Measures adapters on a data set.</summary>
public static class AdapterEvaluation
{
    /// <summary>Measures the base model and then each adapter.</summary>
    /// <param name="modelPath">The base model or its patched form.</param>
    /// <param name="data">The rows; pairs of answers are ranked too.</param>
    /// <param name="adapters">Adapter folders, possibly none.</param>
    /// <param name="anyBase">Accept adapters of another quantisation of the model.</param>
    /// <param name="maximumLength">The longest row in tokens.</param>
    /// <param name="batchSize">Rows computed at once.</param>
    /// <param name="working">Is told how many rows are measured.</param>
    /// <param name="cancellation">Stops the measurement.</param>
    /// <returns>One result for the base model and one for each adapter, in that order.</returns>
    /// <exception cref="AlignerOnnx.Graph.RefusedException">Data, model or adapter cannot be used.</exception>
    public static IReadOnlyList<AdapterLoss> Measure(
        string modelPath, EvaluationData data, IReadOnlyList<string> adapters, bool anyBase = false, int maximumLength = 512, int batchSize = 4, Action<WorkProgress>? working = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(adapters);
        FrozenModel model = new(modelPath);
        Adapter[] loaded = [.. adapters.Select(folder => model.LoadAdapter(folder, anyBase))];
        // Of pairs both answers in turn, else the rows themselves.
        TrainingExample[] rows = data.Pairs is PreferenceDataSet pairs
            ? [.. PreferencePair.AnswersOf(model.Encode(maximumLength, pairs)[0].Pairs)]
            : [.. model.Encode(maximumLength, LossOn.Answers, data.Answers)[0].Examples];

        WorkCounter counter = new("rows measured", rows.Length * (1 + loaded.Length), working);
        float[] reference = Answers(AdapterStart.Neutral(model));
        return [Result(null, reference, null), .. adapters.Zip(loaded, (folder, adapter) => Result(folder, Answers(AdapterStart.Of(model, adapter)), reference))];

        float[] Answers(AdapterStart adapter)
        {
            using OnnxRuntimeEngine engine = model.OpenForEvaluation(adapter);
            return [.. SequenceLogProbabilities.OfTokens(engine, rows, adapter.Parameters, batchSize, measured: counter.Made, cancellationToken: cancellation).Select(tokens => (float)tokens.Sum(token => (double)token))];
        }

        AdapterLoss Result(string? folder, float[] answers, float[]? reference)
        {
            int[] counted = [.. Enumerable.Range(0, rows.Length).Where(row => data.Pairs is null || row % 2 == 0)];
            LossSummary summary = new(-counted.Sum(row => (double)answers[row]) / counted.Sum(row => (long)rows[row].TargetCount), counted.Sum(row => (long)rows[row].TargetCount));
            return new AdapterLoss(folder, summary.Loss, summary.Tokens, summary.Perplexity) { Preference = data.Pairs is null ? null : PreferenceScores.Of(answers, reference) };
        }
    }
}
