using System.Globalization;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Preference training from files to file: reads and tokenises pairs of answers, measures them by the reference, trains on a model's gradient graph, saves the adapter.</summary>
public static class PreferenceFineTuning
{
    /// <summary>Trains an adapter and saves it, complete or not at all.</summary>
    /// <param name="request">What to train.</param>
    /// <param name="readData">Called with what became of the data's rows, before each stage of training starts.</param>
    /// <param name="say">Is told of the supervised stage and the reference.</param>
    /// <param name="working">Is told how far the model's own conversations and the reference's measures have come.</param>
    /// <param name="progress">Called after each step.</param>
    /// <param name="cancellation">Stops training after the last complete step, with a checkpoint.</param>
    /// <returns>What was made.</returns>
    /// <exception cref="AlignerOnnx.Graph.RefusedException">Data, model, adapter or checkpoint cannot be used.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient is not finite.</exception>
    /// <exception cref="PreferenceStalledException">After the first step all answers are still as probable as by the reference.</exception>
    /// <exception cref="IOException">The output is taken, or a file cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static FineTuningReport Run(PreferenceRequest request, Action<DataReport>? readData = null, Action<string>? say = null, Action<WorkProgress>? working = null, Action<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Options.Check();
        request.Preference.Check();
        request.Before?.Options.Check();
        AdapterSaving.RequireFree(request.Output);
        using OrtTrainingProcess? ortTraining = request.OrtTraining?.Start();
        DataReadingOptions reading = new() { PromptStyle = request.PromptStyle };
        PreferenceDataSet data = PreferenceDataSet.Read(request.Data, reading);
        PreferenceDataSet? held = request.Evaluation is null ? null : PreferenceDataSet.Read(request.Evaluation, reading);
        FrozenModel model = new(request.Model, request.Device);
        request = FittedTo(model.Architecture.HiddenSize, request);
        string modelHash = model.ComputeHash(cancellation);
        // Adapters that cannot be used are refused before the model makes up conversations for minutes.
        AdapterStart start = AdapterStart.Of(model, request);
        AdapterStart? against = request.Reference is null ? null : ReferenceModel.Read(model, request.Reference, request.AnyBase);
        ConversationDataSet? keep = ReadKept(request, model, modelHash, data, say, working, cancellation);
        RunIdentity identity = new()
        {
            Model = modelHash,
            Files = FileHashes.Of(
                ("data", data.DataHash), ("eval", held?.DataHash), ("keep", keep?.DataHash), ("from", FileHashes.OfAdapter(request.From)), ("reference", FileHashes.OfAdapter(request.Reference))),
            Options = RunOptions.Of([
                request.Options, request.Preference, new { request.MaximumLength, request.PromptStyle, Objective = "dpo", Engine = request.EngineName },
                .. request.Before is null ? Array.Empty<object>() : [new { Supervised = request.Before }]]),
        };
        string? supervised = request.Before is null ? null : SupervisedStageTraining.Run(request, request.Before, identity, readData, say, progress, cancellation);
        if (supervised is not null)
        {
            request = request with { From = supervised, Reference = request.Reference ?? supervised };
            start = AdapterStart.Of(model, request);
            against ??= ReferenceModel.Read(model, supervised, request.AnyBase);
        }
        IReadOnlyList<EncodedPreferences> encoded = model.Encode(request.MaximumLength, held is null ? [data] : [data, held]);
        EncodedDataSet? kept = keep is null ? null : model.Encode(request.MaximumLength, LossOn.Answers, keep)[0];
        readData?.Invoke(encoded[0].Report);
        cancellation.ThrowIfCancellationRequested();

        using FineTuningRun run = new(request, () => identity) { Optimizer = start.Optimizer };
        using ReferenceModel reference = new(model, modelHash, request.Reference, against);
        ReferencedPairs pairs = Referenced(encoded[0].Pairs);
        ReferencedPairs? heldPairs = held is null ? null : Referenced(encoded[1].Pairs);
        KeptRows? keptRows = kept is null ? null : new KeptRows(kept.Examples, Measured(kept.Examples));
        reference.Dispose();

        using IGradientEngine engine = model.OpenForTraining(start, request, ortTraining, request.Preference.Loss);
        Following following = new(progress);
        IEvaluation? evaluation = heldPairs is null ? null : new PreferenceEvaluation(heldPairs, request.Options, request.Preference, keptRows);
        TrainingResult result = run.Train(engine, new PreferenceObjective(pairs, request.Options, request.Preference, keptRows), start.Parameters, evaluation, following.Take, cancellation);
        IReadOnlyDictionary<string, double>? measures = result.Evaluation?.Values ?? following.Last;
        return AdapterSaving.Save(request, model, start, run, result, encoded[0].Report, data.DataHash, Describe(request, reference, keptRows)) with
        {
            PreferenceAccuracy = measures?[PreferenceMeasures.AccuracyName],
            RewardAccuracy = measures?[PreferenceMeasures.RewardAccuracyName],
            Margin = measures?[PreferenceMeasures.MarginName],
            Reference = reference.Name,
            SupervisedAdapter = supervised is null ? null : Path.GetFullPath(supervised),
        };

        ReferencedPairs Referenced(IReadOnlyList<PreferencePair> some) => new(some, [.. Measured([.. PreferencePair.AnswersOf(some)]).Select(tokens => tokens.Sum())]);

        IReadOnlyList<float[]> Measured(IReadOnlyList<TrainingExample> rows) =>
            reference.LogProbabilitiesOf(rows, 2 * (request.Options.MicroBatchSize ?? request.Options.BatchSize), say, working, cancellation);
    }

    private static PreferenceRequest FittedTo(long hiddenSize, PreferenceRequest request) => request with
    {
        Options = request.OptionsFor(hiddenSize),
        FitLearningRate = false,
        Before = request.Before is { FitLearningRate: true } stage ? stage with { Options = stage.Options.ForWidth(hiddenSize), FitLearningRate = false } : request.Before,
    };

    /// <summary>The rows to keep; of the model's own conversations those that do not ask what the preferences are about.</summary>
    private static ConversationDataSet? ReadKept(PreferenceRequest request, FrozenModel model, string modelHash, PreferenceDataSet data, Action<string>? say, Action<WorkProgress>? working, CancellationToken cancellation)
    {
        if (request.Keep is not null)
        {
            return ConversationDataSet.Read(request.Keep, new DataReadingOptions { PromptStyle = request.PromptStyle });
        }
        string? own = request.OwnConversations == 0 ? null : OwnConversations.FileFor(model.Folder, modelHash, request.OwnConversations, say, working, cancellation);
        HashSet<string> asked = [.. data.Rows.Select(row => row.Chosen).OfType<ConversationRow>().Select(row => row.Turns[row.PromptTurns - 1].Content)];
        return own is null ? null : ConversationDataSet.Read(own).Where(row => row is ConversationRow conversation && !asked.Contains(conversation.Turns[0].Content));
    }

    private static string Describe(PreferenceRequest request, ReferenceModel reference, KeptRows? kept)
    {
        PreferenceOptions options = request.Preference;
        string keeping = kept is null ? "" : string.Create(CultureInfo.InvariantCulture, $", {kept.Rows.Count} {(request.Keep is null ? "of the model's own conversations" : "rows")} kept with weight {options.KeptWeight}");
        return string.Create(CultureInfo.InvariantCulture,
            $"preference ({options.Loss.Kind.ToString().ToLowerInvariant()}, beta {options.Loss.Beta}, label smoothing {options.Loss.LabelSmoothing}, supervised weight {options.SupervisedWeight}{keeping}, reference {reference.Name}), {AdapterSaving.Describe(request.Options)}{DescribeBefore(request.Before)}");
    }

    private static string DescribeBefore(SupervisedStage? stage) =>
        stage is null ? "" : string.Create(CultureInfo.InvariantCulture, $"; before it {stage.Options.Steps} supervised updates on the preferred answers, {AdapterSaving.Describe(stage.Options)}");

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
