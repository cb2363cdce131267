using System.Text.Json;
using System.Text.Json.Serialization;

namespace AlignerOnnx.Serving;

/// <summary>The body of POST /v1/fine_tuning/jobs.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record JobRequest
{
    public string? Model { get; init; }

    public string? TrainingFile { get; init; }

    public string? ValidationFile { get; init; }

    public string? Suffix { get; init; }

    public int? Seed { get; init; }

    public JobHyperparameters? Hyperparameters { get; init; }

    public JobMethod? Method { get; init; }

    /// <summary>Free words; <c>adapter</c> among them names the adapter of which the result becomes a new version.</summary>
    public Dictionary<string, string>? Metadata { get; init; }

    public JsonElement? Integrations { get; init; }
}

[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record JobMethod
{
    public string? Type { get; init; }

    public JobMethodDetails? Supervised { get; init; }

    public JobMethodDetails? Dpo { get; init; }
}

[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record JobMethodDetails
{
    public JobHyperparameters? Hyperparameters { get; init; }
}

/// <summary>A fine-tuning job as OpenAI's API gives it.</summary>
internal sealed record JobObject
{
    public required string Id { get; init; }

    public string Object { get; init; } = "fine_tuning.job";

    public required long CreatedAt { get; init; }

    public long? FinishedAt { get; init; }

    public long? EstimatedFinish { get; init; }

    public required string Model { get; init; }

    public string? FineTunedModel { get; init; }

    public string OrganizationId { get; init; } = "local";

    public required string Status { get; init; }

    public required JobHyperparametersObject Hyperparameters { get; init; }

    public required string TrainingFile { get; init; }

    public string? ValidationFile { get; init; }

    public required IReadOnlyList<string> ResultFiles { get; init; }

    public long? TrainedTokens { get; init; }

    public JobErrorObject? Error { get; init; }

    public string? UserProvidedSuffix { get; init; }

    public required int Seed { get; init; }

    public IReadOnlyList<string> Integrations { get; init; } = [];

    public required JobMethodObject Method { get; init; }

    public Dictionary<string, string>? Metadata { get; init; }

    internal static JobObject Of(Job job)
    {
        JobHyperparametersObject hyper = JobHyperparametersObject.Of(job);
        JobMethodDetailsObject details = new(hyper);
        return new JobObject
        {
            Id = job.Id,
            CreatedAt = job.Created.ToUnixTimeSeconds(),
            FinishedAt = job.Finished?.ToUnixTimeSeconds(),
            Model = job.Model,
            FineTunedModel = job.Result is null ? null : job.Adapter,
            Status = job.Status,
            Hyperparameters = hyper,
            TrainingFile = job.TrainingFile,
            ValidationFile = job.ValidationFile,
            ResultFiles = job.ResultFile is null ? [] : [job.ResultFile],
            TrainedTokens = job.TrainedTokens,
            Error = job.Error is { } error ? new JobErrorObject(error.Code, error.Message, null) : null,
            UserProvidedSuffix = job.Suffix,
            Seed = job.Seed,
            Method = new JobMethodObject(job.Method, job.Method == "dpo" ? null : details, job.Method == "dpo" ? details : null),
            Metadata = job.Metadata,
        };
    }
}

internal sealed record JobErrorObject(string Code, string Message, string? Param);

internal sealed record JobMethodObject(
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JobMethodDetailsObject? Supervised,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JobMethodDetailsObject? Dpo);

internal sealed record JobMethodDetailsObject(JobHyperparametersObject Hyperparameters);

/// <summary>Hyperparameters as they were asked for; OpenAI's own are <c>auto</c> where they were not, the trainer's are left out.</summary>
internal sealed record JobHyperparametersObject(JsonElement NEpochs, JsonElement BatchSize, JsonElement LearningRateMultiplier)
{
    private static readonly JsonElement Auto = JsonDocument.Parse("\"auto\"").RootElement.Clone();

    /// <summary>Of dpo alone.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Beta { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Steps { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? LearningRate { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Tokens { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? StartLayer { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxLength { get; init; }

    internal static JobHyperparametersObject Of(Job job)
    {
        JobHyperparameters asked = job.Hyperparameters;
        return new(asked.NEpochs ?? Auto, asked.BatchSize ?? Auto, asked.LearningRateMultiplier ?? Auto)
        {
            Beta = job.Method == "dpo" ? asked.Beta ?? Auto : null,
            Steps = asked.Steps,
            LearningRate = asked.LearningRate,
            Tokens = asked.Tokens,
            StartLayer = asked.StartLayer,
            MaxLength = asked.MaxLength,
        };
    }
}

internal sealed record JobEventObject(string Id, long CreatedAt, string Level, string Message, string Type, JsonElement? Data)
{
    public string Object { get; init; } = "fine_tuning.job.event";

    internal static JobEventObject Of(JobEvent each) => new($"ftevent-{each.Number}", each.Created.ToUnixTimeSeconds(), each.Level, each.Message, each.Type, each.Data);
}

internal sealed record JobCheckpointObject(string Id, long CreatedAt, string FineTunedModelCheckpoint, int StepNumber, JobCheckpointMetrics Metrics, string FineTuningJobId)
{
    public string Object { get; init; } = "fine_tuning.job.checkpoint";
}

internal sealed record JobCheckpointMetrics(
    int Step, double? TrainLoss,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? ValidLoss);
