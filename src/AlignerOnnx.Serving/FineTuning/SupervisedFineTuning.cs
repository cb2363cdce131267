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
    /// <param name="cancellation">Stops training after the last complete step, with a checkpoint.</param>
    /// <returns>What was made.</returns>
    /// <exception cref="AlignerOnnx.Graph.RefusedException">Data, model, adapter or checkpoint cannot be used.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient is not finite.</exception>
    /// <exception cref="IOException">The output is taken, or a file cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static FineTuningReport Run(FineTuningRequest request, Action<DataReport>? readData = null, Action<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Options.Check();
        AdapterSaving.RequireFree(request.Output);
        using OrtTrainingProcess? ortTraining = request.OrtTraining?.Start();
        SupervisedRows rows = SupervisedRows.Read(request);
        FrozenModel model = new(request.Model, request.Device);
        request = request with { Options = request.OptionsFor(model.Architecture.HiddenSize), FitLearningRate = false };
        AdapterStart start = AdapterStart.Of(model, request);
        // The gradient graph takes as long to open as the tokenizer to load and to work.
        using Opening<IGradientEngine> engine = new(() => model.OpenForTraining(start, request, ortTraining));
        (EncodedDataSet data, EncodedDataSet? held) = rows.EncodeFor(model, request);
        readData?.Invoke(data.Report);
        cancellation.ThrowIfCancellationRequested();

        using FineTuningRun run = new(request, () => new RunIdentity
        {
            Model = model.ComputeHash(cancellation: default),
            Files = FileHashes.Of(("data", data.DataHash), ("eval", held?.DataHash), ("from", FileHashes.OfAdapter(request.From))),
            Options = RunOptions.Of(request.Options, new { request.MaximumLength, request.LossOn, request.PromptStyle, Objective = "sft", Engine = request.EngineName }),
        }) { Optimizer = start.Optimizer };
        IEvaluation? evaluation = held is null ? null : new SupervisedEvaluation(held.Examples, request.Options);
        TrainingResult result = run.Train(engine.Value, new SupervisedObjective(data.Examples, request.Options), start.Parameters, evaluation, progress, cancellation);
        string recipe = string.Create(CultureInfo.InvariantCulture, $"supervised, {AdapterSaving.Describe(request.Options)}");
        return AdapterSaving.Save(request, model, start, run, result, data.Report, data.DataHash, recipe);
    }
}
