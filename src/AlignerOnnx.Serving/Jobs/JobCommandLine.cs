using System.Globalization;
using System.Text.Json;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The arguments with which the training tool does a job.</summary>
internal static class JobCommandLine
{
    /// <summary>Builds the arguments.</summary>
    /// <param name="job">The job.</param>
    /// <param name="model">The folder of the base model.</param>
    /// <param name="folder">The job's folder.</param>
    /// <param name="training">The data.</param>
    /// <param name="validation">The data to measure on; null for none.</param>
    /// <param name="from">The adapter to start from; null for none.</param>
    internal static IReadOnlyList<string> Of(Job job, string model, JobFolder folder, string training, string? validation, string? from)
    {
        JobHyperparameters hyper = job.Hyperparameters;
        TrainingOptions standard = job.Method == "dpo" ? PreferenceRequest.Recipe : TrainingOptions.Supervised;
        List<string> arguments = ["train", job.Method == "dpo" ? "dpo" : "sft", model, "--data", training, "-o", folder.Output, "--seed", Text(job.Seed), "--json"];
        Add("--eval", validation);
        Add("--from", from);
        int? batch = (int?)Number(hyper.BatchSize);
        if (Number(hyper.NEpochs) is double epochs && hyper.Steps is null)
        {
            batch ??= standard.BatchSize;
            Add("--steps", Text((int)Math.Min(epochs * Math.Ceiling(Rows(training) / (double)batch), int.MaxValue)));
        }
        Add("--steps", hyper.Steps is int steps ? Text(steps) : null);
        Add("--batch-size", batch is int size ? Text(size) : null);
        Add("--learning-rate", Text(hyper.LearningRate));
        Add("--learning-rate-multiplier", hyper.LearningRate is null ? Text(Number(hyper.LearningRateMultiplier)) : null);
        Add("--tokens", hyper.Tokens is int tokens ? Text(tokens) : null);
        Add("--start-layer", hyper.StartLayer is int layer ? Text(layer) : null);
        Add("--max-length", hyper.MaxLength is int length ? Text(length) : null);
        Add("--beta", Text(Number(hyper.Beta)));
        if (folder.HasRun)
        {
            arguments.Add("--resume");
        }
        return arguments;

        void Add(string option, string? value)
        {
            if (value is not null)
            {
                arguments.AddRange([option, value]);
            }
        }
    }

    /// <summary>The number that a hyperparameter is; null where it is absent or <c>auto</c>.</summary>
    internal static double? Number(JsonElement? value) => value is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : null;

    private static int Rows(string file) => Math.Max(1, File.ReadLines(file).Count(line => !string.IsNullOrWhiteSpace(line)));

    private static string? Text(double? number) => number?.ToString("R", CultureInfo.InvariantCulture);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>The folder in which a job trains.</summary>
internal sealed class JobFolder(string root)
{
    /// <summary>Where the adapter appears.</summary>
    internal string Output => Path.Combine(root, "adapter");

    /// <summary>The losses of the run.</summary>
    internal string Metrics => Path.Combine(root, "adapter.run", "metrics.jsonl");

    /// <summary>The newest state of the training.</summary>
    internal string Checkpoint => RunFolder.CheckpointOf(Path.Combine(root, "adapter.run"));

    /// <summary>Whether a run was begun that can be resumed.</summary>
    internal bool HasRun => Directory.Exists(Path.Combine(root, "adapter.run"));

    /// <summary>Where the adapter that training starts from is put.</summary>
    internal string From => Path.Combine(root, "from");

    /// <summary>The training data under a name that says what it is; stored files have none.</summary>
    internal string Data(string name) => Path.Combine(root, name);

    internal void Make() => Directory.CreateDirectory(root);

    internal void Remove()
    {
        if (Directory.Exists(root))
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
