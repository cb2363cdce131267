using System.Text.Json.Serialization;

namespace AlignerOnnx.Training;

/// <summary>The part of a checkpoint that is not arrays of numbers.</summary>
internal sealed record CheckpointFacts
{
    public const int CurrentVersion = 1;

    public required int Version { get; init; }

    public required RunIdentity Identity { get; init; }

    public required int OptimizerSteps { get; init; }

    public required ulong RandomState { get; init; }

    public required long DataCursor { get; init; }

    public required int EvaluationsSinceBest { get; init; }

    public int? BestStep { get; init; }

    public EvaluationMeasures? BestMeasures { get; init; }

    /// <summary>SHA-256 over the bytes of all arrays, in the order of their names.</summary>
    public required string ArraysHash { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, MaxDepth = 8, AllowDuplicateProperties = false, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(CheckpointFacts))]
internal sealed partial class CheckpointJson : JsonSerializerContext;
