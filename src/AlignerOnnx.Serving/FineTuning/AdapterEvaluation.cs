using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The loss of one model on a data set, with an adapter or without.</summary>
/// <param name="Adapter">The adapter folder; null for the base model.</param>
/// <param name="Loss">Mean negative log-likelihood of the completion tokens.</param>
/// <param name="Tokens">How many completion tokens.</param>
/// <param name="Perplexity">e to the power of the loss.</param>
public sealed record AdapterLoss(string? Adapter, double Loss, long Tokens, double Perplexity);

/// <summary>Measures adapters on a data set.</summary>
public static class AdapterEvaluation
{
    /// <summary>Measures the base model and then each adapter.</summary>
    /// <param name="modelPath">The base model or its patched form.</param>
    /// <param name="dataPath">The rows.</param>
    /// <param name="adapters">Adapter folders, possibly none.</param>
    /// <param name="anyBase">Accept adapters of another quantisation of the model.</param>
    /// <param name="maximumLength">The longest row in tokens.</param>
    /// <param name="batchSize">Rows computed at once.</param>
    /// <param name="cancellation">Stops the measurement.</param>
    /// <returns>One result for the base model and one for each adapter, in that order.</returns>
    /// <exception cref="AlignerOnnx.Graph.RefusedException">Data, model or adapter cannot be used.</exception>
    public static IReadOnlyList<AdapterLoss> Measure(
        string modelPath, string dataPath, IReadOnlyList<string> adapters, bool anyBase = false, int maximumLength = 512, int batchSize = 4, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        ConversationDataSet data = ConversationDataSet.Read(dataPath);
        FrozenModel model = new(modelPath);
        Adapter[] loaded = [.. adapters.Select(folder => model.LoadAdapter(folder, anyBase))];
        EncodedDataSet encoded = model.Encode(maximumLength, LossOn.Answers, data)[0];

        List<AdapterLoss> results = [Loss(null, AdapterStart.Neutral(model))];
        foreach ((string folder, Adapter adapter) in adapters.Zip(loaded))
        {
            results.Add(Loss(folder, AdapterStart.Of(model, adapter)));
        }
        return results;

        AdapterLoss Loss(string? folder, AdapterStart adapter)
        {
            using OnnxRuntimeEngine engine = model.OpenForEvaluation(adapter);
            LossSummary summary = LossEvaluator.Measure(engine, encoded.Examples, adapter.Parameters, batchSize, cancellationToken: cancellation);
            return new AdapterLoss(folder, summary.Loss, summary.Tokens, summary.Perplexity);
        }
    }
}
