using System.Text.Json;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The learning-rate range test from files to file.</summary>
public static class LearningRateFinding
{
    /// <summary>The file of the curve in the run's folder, one JSON object a line.</summary>
    public const string CurveFile = "find-lr.jsonl";

    // The same few rows in each step: their loss tells of the rate alone, not of the luck of a batch, so that few steps suffice.
    private const int Rows = 8;

    private static readonly JsonSerializerOptions Names = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Runs the test on the rows and the model of a request and writes its curve beside where the adapter would be; it makes no adapter.</summary>
    /// <param name="request">What would be trained.</param>
    /// <param name="readData">Called once with what became of the data's rows.</param>
    /// <param name="progress">Called after each step.</param>
    /// <param name="cancellation">Stops the test.</param>
    /// <returns>The curve and the suggested rate.</returns>
    /// <exception cref="RefusedException">Data, model or adapter cannot be used.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static LearningRateReport Run(FineTuningRequest request, Action<DataReport>? readData = null, Action<LearningRatePoint>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Options.Check();
        SupervisedRows rows = SupervisedRows.Read(request with { Evaluation = null });
        FrozenModel model = new(request.Model, request.Device);
        AdapterStart start = AdapterStart.Of(model, request);
        using Opening<IGradientEngine> engine = new(() => model.OpenForTraining(start, request, ortTraining: null));
        (EncodedDataSet data, _) = rows.EncodeFor(model, request);
        readData?.Invoke(data.Report);
        cancellation.ThrowIfCancellationRequested();
        using RunFolder folder = RunFolder.Open(RunFolder.Of(request.Output));
        LearningRateCurve curve = LearningRateRangeTest.Run(engine.Value, new SupervisedObjective(Some(data.Examples), request.Options), start.Parameters, request.Options, range: null, progress, cancellation);
        string file = folder.File(CurveFile);
        AtomicOutput.WriteFile(file, stream =>
        {
            using StreamWriter lines = new(stream, leaveOpen: true);
            foreach (LearningRatePoint point in curve.Points)
            {
                lines.WriteLine(JsonSerializer.Serialize(point, Names));
            }
        });
        return new LearningRateReport(curve.Suggestion, file, curve.Points);
    }

    /// <summary>Rows from all over the file, which may be sorted.</summary>
    private static TrainingExample[] Some(IReadOnlyList<TrainingExample> all) => [.. Enumerable.Range(0, Math.Min(Rows, all.Count)).Select(i => all[(int)((long)i * all.Count / Math.Min(Rows, all.Count))])];
}

/// <summary>What the range test gives.</summary>
/// <param name="Suggestion">A rate to train with; null where the loss did not fall at any.</param>
/// <param name="Curve">The file of the curve, as a full path.</param>
/// <param name="Points">The curve.</param>
public sealed record LearningRateReport(double? Suggestion, string Curve, IReadOnlyList<LearningRatePoint> Points);
