using System.Text.Json;
using System.Text.Json.Serialization;

namespace AlignerOnnx.Serving;

/// <summary>A fine-tuning job as it stands.</summary>
internal sealed record Job
{
    internal required string Id { get; init; }

    internal required string Status { get; init; }

    /// <summary>The base model's name, or the adapter to start from.</summary>
    internal required string Model { get; init; }

    /// <summary><c>supervised</c> or <c>dpo</c>.</summary>
    internal required string Method { get; init; }

    internal required JobHyperparameters Hyperparameters { get; init; }

    internal string? Suffix { get; init; }

    internal required int Seed { get; init; }

    internal required string TrainingFile { get; init; }

    internal string? ValidationFile { get; init; }

    /// <summary>The name under which the result is published.</summary>
    internal required string Adapter { get; init; }

    /// <summary>Whether it may publish a version of any adapter, as its caller may.</summary>
    internal required bool MayReplaceAny { get; init; }

    internal Dictionary<string, string>? Metadata { get; init; }

    internal DateTimeOffset Created { get; init; }

    internal DateTimeOffset? Finished { get; init; }

    /// <summary>The published version, NAME@NUMBER.</summary>
    internal string? Result { get; init; }

    internal string? ResultFile { get; init; }

    internal long? TrainedTokens { get; init; }

    internal int? FinalStep { get; init; }

    internal double? FinalLoss { get; init; }

    internal double? ValidationLoss { get; init; }

    internal (string Code, string Message)? Error { get; init; }

    /// <summary>The process that trains, by its number and start time (which together name no other process).</summary>
    internal (int Number, long Started)? Process { get; init; }
}

/// <summary>The statuses of OpenAI's fine-tuning jobs that a job here passes through.</summary>
internal static class JobStatus
{
    internal const string Queued = "queued";
    internal const string Running = "running";
    internal const string Paused = "paused";
    internal const string Succeeded = "succeeded";
    internal const string Failed = "failed";
    internal const string Cancelled = "cancelled";

    internal static bool IsFinal(string status) => status is Succeeded or Failed or Cancelled;
}

/// <summary>Something that happened in a job.</summary>
internal sealed record JobEvent(long Number, string Level, string Type, string Message, JsonElement? Data, DateTimeOffset Created);

/// <summary>What may be set about training. OpenAI's own names, and below them the trainer's; null leaves the choice to the trainer.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record JobHyperparameters
{
    /// <summary>A number, or <c>auto</c>.</summary>
    public JsonElement? NEpochs { get; init; }

    /// <summary>A number, or <c>auto</c>.</summary>
    public JsonElement? BatchSize { get; init; }

    /// <summary>A number, or <c>auto</c>.</summary>
    public JsonElement? LearningRateMultiplier { get; init; }

    /// <summary>Of dpo: a number, or <c>auto</c>.</summary>
    public JsonElement? Beta { get; init; }

    public int? Steps { get; init; }

    public double? LearningRate { get; init; }

    public int? Tokens { get; init; }

    public int? StartLayer { get; init; }

    public int? MaxLength { get; init; }
}
