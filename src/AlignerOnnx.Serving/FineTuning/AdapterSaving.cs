using System.Globalization;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Turns the end of a run into an adapter folder and a report.</summary>
internal static class AdapterSaving
{
    /// <summary>Found out before the training, not after it.</summary>
    public static void RequireFree(string output)
    {
        if (File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
        {
            throw new OutputTakenException(output);
        }
    }

    public static string Describe(TrainingOptions options) => string.Create(CultureInfo.InvariantCulture,
        $"AdamW, learning rate {options.LearningRate} ({options.Schedule.ToString().ToLowerInvariant()}, {options.WarmUpSteps} warm-up steps), weight decay {options.Optimizer.WeightDecay}, batches of {options.BatchSize}");

    public static FineTuningReport Save(FineTuningRequest request, FrozenModel model, AdapterStart start, FineTuningRun run, TrainingResult result, DataReport data, string dataHash, string recipe)
    {
        AdapterShape shape = result.Parameters.Shape;
        int best = result.State.Best?.Step ?? result.Losses.Count;
        TrainingRecord record = new()
        {
            Recipe = recipe,
            Steps = best,
            DataFile = Path.GetFileName(request.Data),
            DataHash = dataHash,
            DataRows = data.Rows,
            DataTokens = data.Tokens,
            LearntTokens = data.CompletionTokens,
            Seed = request.Options.Seed,
            FinalLoss = result.Losses[best - 1],
            EvalLoss = result.Evaluation?.Loss,
        };
        AdapterConfig config = Adapter.Describe(model.Sites, request.ModelName ?? request.Model, start.Layer, shape.TokenCount, record) with { Attention = start.Attention.ToString().ToLowerInvariant() };
        AdapterPackage.Save(new Adapter(config, result.Parameters.Tokens, result.Parameters.Gates), request.Output);
        run.Complete();
        return new FineTuningReport(
            Path.GetFullPath(request.Output), run.Folder, result.Losses.Count, best, result.FinalLoss, result.Evaluation?.Loss, result.PeakMemoryBytes,
            shape.TrainableValues, start.Layer, shape.TokenCount, result.Elapsed.TotalSeconds, data, run.Records)
        {
            FirstStepSeconds = run.FirstStepSeconds,
            DrawingProblem = run.DrawingProblem,
            LossGrowth = result.Growth,
            EarlyStop = result.EarlyStop,
        };
    }
}
