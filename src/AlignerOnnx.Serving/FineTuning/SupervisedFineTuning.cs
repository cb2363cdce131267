using System.Globalization;
using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Supervised training from files to file: reads and tokenises the data, trains on a model's gradient graph, saves the adapter.</summary>
public static class SupervisedFineTuning
{
    /// <summary>Trains an adapter and saves it, complete or not at all.</summary>
    /// <param name="request">What to train.</param>
    /// <param name="readData">Called once with what became of the data's rows, before training starts.</param>
    /// <param name="progress">Called after each step.</param>
    /// <param name="cancellation">Stops training; nothing is written then.</param>
    /// <returns>What was made.</returns>
    /// <exception cref="AlignerOnnx.Graph.RefusedException">Data, model or adapter cannot be used.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient is not finite.</exception>
    /// <exception cref="IOException">The output is taken.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static FineTuningReport Run(FineTuningRequest request, Action<DataReport>? readData = null, Action<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Options.Check();
        RequireFree(request.Output);
        ConversationDataSet data = ConversationDataSet.Read(request.Data);
        ConversationDataSet? evaluation = request.Evaluation is null ? null : ConversationDataSet.Read(request.Evaluation);
        FrozenModel model = new(request.Model);
        AdapterStart start = AdapterStart.Of(model, request);
        IReadOnlyList<EncodedDataSet> encoded = model.Encode(request.MaximumLength, evaluation is null ? [data] : [data, evaluation]);
        readData?.Invoke(encoded[0].Report);
        cancellation.ThrowIfCancellationRequested();
        using OnnxRuntimeEngine engine = model.OpenForTraining(start.Layer, start.Parameters.Shape.TokenCount, request.Recompute);
        TrainingResult result = new SupervisedTrainer(engine, request.Options)
            .Train(encoded[0].Examples, start.Parameters, encoded.ElementAtOrDefault(1)?.Examples, progress, cancellation);
        if (result.Cancelled)
        {
            throw new OperationCanceledException(cancellation);
        }
        AdapterPackage.Save(Describe(model, request, start, encoded[0], result), request.Output);
        return new FineTuningReport(
            Path.GetFullPath(request.Output), result.Losses.Count, result.FinalLoss, result.Evaluation?.Loss, result.PeakMemoryBytes,
            result.Parameters.Shape.TrainableValues, start.Layer, result.Parameters.Shape.TokenCount, result.Elapsed.TotalSeconds, encoded[0].Report);
    }

    private static Adapter Describe(FrozenModel model, FineTuningRequest request, AdapterStart start, EncodedDataSet data, TrainingResult result)
    {
        SupervisedTrainingOptions options = request.Options;
        TrainingRecord record = new()
        {
            Recipe = string.Create(CultureInfo.InvariantCulture, $"supervised, AdamW, learning rate {options.LearningRate}, weight decay {options.Optimizer.WeightDecay}, batches of {options.BatchSize}"),
            Steps = result.Losses.Count,
            DataHash = data.DataHash,
            Seed = options.Seed,
            FinalLoss = result.FinalLoss,
            EvalLoss = result.Evaluation?.Loss,
        };
        AdapterConfig config = Adapter.Describe(model.Sites, request.ModelName ?? request.Model, start.Layer, result.Parameters.Shape.TokenCount, record);
        return new Adapter(config, result.Parameters.Tokens, result.Parameters.Gates);
    }

    /// <summary>Found out before the training, not after it.</summary>
    private static void RequireFree(string output)
    {
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
        {
            throw new IOException($"The output {output} already exists. Name a new folder, or remove that one first.");
        }
    }

    /// <summary>Where training starts.</summary>
    private sealed record AdapterStart(int Layer, AdapterParameters Parameters)
    {
        public static AdapterStart Of(FrozenModel model, FineTuningRequest request)
        {
            if (request.From is string folder)
            {
                Adapter adapter = model.LoadAdapter(folder, request.AnyBase);
                AdapterShape own = model.Shape(adapter.Config.StartLayer, adapter.Config.NumTokens);
                return new AdapterStart(adapter.Config.StartLayer, new AdapterParameters(own, adapter.Tokens.ToArray(), adapter.Gates.ToArray()));
            }
            int layer = Math.Min(request.Options.StartLayer, model.Architecture.Layers - 1);
            return new AdapterStart(layer, AdapterParameters.Initial(model.Shape(layer, request.Options.Tokens), request.Options.Seed));
        }
    }
}
