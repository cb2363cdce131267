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

        AdapterShape empty = model.Shape(model.Architecture.Layers - 1, 1);
        List<AdapterLoss> results = [Loss(null, model.Architecture.Layers - 1, AdapterParameters.Initial(empty, 0))];
        foreach ((string folder, Adapter adapter) in adapters.Zip(loaded))
        {
            AdapterShape shape = model.Shape(adapter.Config.StartLayer, adapter.Config.NumTokens);
            results.Add(Loss(folder, adapter.Config.StartLayer, new AdapterParameters(shape, adapter.Tokens.ToArray(), adapter.Gates.ToArray())));
        }
        return results;

        AdapterLoss Loss(string? folder, int startLayer, AdapterParameters parameters)
        {
            using OnnxRuntimeEngine engine = model.OpenForEvaluation(startLayer, parameters.Shape.TokenCount);
            LossSummary summary = LossEvaluator.Measure(engine, encoded.Examples, parameters, batchSize, cancellationToken: cancellation);
            return new AdapterLoss(folder, summary.Loss, summary.Tokens, summary.Perplexity);
        }
    }
}
