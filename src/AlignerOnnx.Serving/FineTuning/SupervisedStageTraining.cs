using System.Security.Cryptography;
using System.Text.Json;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Trains the supervised stage of preference training into the run's folder, or takes what an earlier run of the same request left there.</summary>
internal static class SupervisedStageTraining
{
    /// <summary>The adapter of the stage.</summary>
    /// <param name="request">The preference training that it goes before; options fitted to the model.</param>
    /// <param name="stage">The stage; options fitted to the model.</param>
    /// <param name="identity">What the whole run depends on besides the stage.</param>
    /// <param name="readData">Called once with what became of the preferred answers.</param>
    /// <param name="say">Is told where the adapter comes from.</param>
    /// <param name="progress">Called after each step.</param>
    /// <param name="cancellation">Stops the stage with a checkpoint.</param>
    /// <returns>The adapter's folder.</returns>
    public static string Run(
        PreferenceRequest request, SupervisedStage stage, RunIdentity identity, Action<DataReport>? readData, Action<string>? say, Action<TrainingProgress>? progress, CancellationToken cancellation)
    {
        string folder = Path.Combine(RunFolder.Of(request.Output), $"supervised-{NameOf(stage, identity)}");
        if (Directory.Exists(folder))
        {
            say?.Invoke($"supervised stage: its adapter comes from {folder}");
            return folder;
        }
        say?.Invoke($"supervised stage: {stage.Options.Steps} updates on the preferred answers, into {folder}");
        FineTuningReport made = SupervisedFineTuning.Run(request with { Output = folder, Options = stage.Options, LossOn = stage.LossOn, PreferredAnswers = true }, readData, progress, cancellation);
        if (made.EarlyStop is { } stop)
        {
            say?.Invoke($"supervised stage: stopped early {stop.Message}");
        }
        return folder;
    }

    /// <summary>Another stage must not pass for this one. What keeps and what compares answers has no part in it.</summary>
    private static string NameOf(SupervisedStage stage, RunIdentity identity)
    {
        object[] parts = [identity.Model, identity.Files.Where(file => file.Key is "data" or "eval" or "from").OrderBy(file => file.Key, StringComparer.Ordinal).ToArray(), RunOptions.Of(stage), identity.Options["maximum_length"], identity.Options["prompt_style"]];
        return Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(parts)))[..12];
    }
}
