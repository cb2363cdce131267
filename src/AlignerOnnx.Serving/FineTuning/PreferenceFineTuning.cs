using System.Globalization;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Preference training from files to file: reads and tokenises pairs of answers, measures them by the reference, trains on a model's gradient graph, saves the adapter.</summary>
public static class PreferenceFineTuning
{
    /// <summary>Trains an adapter and saves it, complete or not at all.</summary>
    /// <param name="request">What to train.</param>
    /// <param name="readData">Called once with what became of the data's rows, before training starts.</param>
    /// <param name="say">Is told of the reference.</param>
    /// <param name="progress">Called after each step.</param>
    /// <param name="cancellation">Stops training after the last complete step, with a checkpoint.</param>
    /// <returns>What was made.</returns>
    /// <exception cref="AlignerOnnx.Graph.RefusedException">Data, model, adapter or checkpoint cannot be used.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient is not finite.</exception>
    /// <exception cref="PreferenceStalledException">After the first step all answers are still as probable as by the reference.</exception>
    /// <exception cref="IOException">The output is taken, or a file cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static FineTuningReport Run(PreferenceRequest request, Action<DataReport>? readData = null, Action<string>? say = null, Action<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Options.Check();
        request.Preference.Check();
        AdapterSaving.RequireFree(request.Output);
        DataReadingOptions reading = new() { PromptStyle = request.PromptStyle };
        PreferenceDataSet data = PreferenceDataSet.Read(request.Data, reading);
        PreferenceDataSet? held = request.Evaluation is null ? null : PreferenceDataSet.Read(request.Evaluation, reading);
        FrozenModel model = new(request.Model);
        AdapterStart start = AdapterStart.Of(model, request);
        ReferenceModel reference = new(model, request.Reference, request.AnyBase);
        IReadOnlyList<EncodedPreferences> encoded = model.Encode(request.MaximumLength, held is null ? [data] : [data, held]);
        readData?.Invoke(encoded[0].Report);
        cancellation.ThrowIfCancellationRequested();

        string modelHash = model.ComputeHash(cancellation);
        using FineTuningRun run = new(request, () => new RunIdentity
        {
            Model = modelHash,
            Files = FileHashes.Of(("data", data.DataHash), ("eval", held?.DataHash), ("from", FileHashes.OfAdapter(request.From)), ("reference", FileHashes.OfAdapter(request.Reference))),
            Options = RunOptions.Of(request.Options, request.Preference, new { request.MaximumLength, request.PromptStyle, Objective = "dpo" }),
        });
        int batchSize = request.Options.MicroBatchSize ?? request.Options.BatchSize;
        IReadOnlyList<ReferencedPairs> pairs = reference.Of(encoded, modelHash, batchSize, say, cancellation);
        using OnnxRuntimeEngine engine = model.OpenForTraining(start, request.Recompute, request.Preference.Loss);
        Following following = new(progress);
        IEvaluation? evaluation = held is null ? null : new PreferenceEvaluation(pairs[1], request.Options, request.Preference);
        TrainingResult result = run.Train(engine, new PreferenceObjective(pairs[0], request.Options, request.Preference), start.Parameters, evaluation, following.Take, cancellation);
        IReadOnlyDictionary<string, double>? measures = result.Evaluation?.Values ?? following.Last;
        return AdapterSaving.Save(request, model, start.Layer, run, result, encoded[0].Report, data.DataHash, Describe(request, reference)) with
        {
            PreferenceAccuracy = measures?[PreferenceMeasures.AccuracyName],
            RewardAccuracy = measures?[PreferenceMeasures.RewardAccuracyName],
            Margin = measures?[PreferenceMeasures.MarginName],
            Reference = reference.Name,
        };
    }

    private static string Describe(PreferenceRequest request, ReferenceModel reference)
    {
        PreferenceOptions options = request.Preference;
        return string.Create(CultureInfo.InvariantCulture,
            $"preference ({options.Loss.Kind.ToString().ToLowerInvariant()}, beta {options.Loss.Beta}, label smoothing {options.Loss.LabelSmoothing}, supervised weight {options.SupervisedWeight}, reference {reference.Name}), {AdapterSaving.Describe(request.Options)}");
    }

    /// <summary>Remembers the last step's measures.</summary>
    private sealed class Following(Action<TrainingProgress>? progress)
    {
        public IReadOnlyDictionary<string, double>? Last { get; private set; }

        public void Take(TrainingProgress made)
        {
            Last = made.Values;
            progress?.Invoke(made);
        }
    }
}
