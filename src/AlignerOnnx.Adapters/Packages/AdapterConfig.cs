using System.Text.Json.Serialization;

namespace AlignerOnnx.Adapters;

/// <summary>What <c>adapter_config.json</c> holds: where an adapter fits and how it was made.</summary>
public sealed record AdapterConfig
{
    /// <summary>The value of <see cref="Attention"/> for a softmax of the tokens' own, with a gate for each head.</summary>
    public const string GatedAttention = "gated";

    /// <summary>The value of <see cref="Attention"/> for tokens that stand before the sequence in every layer, without gates.</summary>
    public const string ConcatAttention = "concat";

    /// <summary>Always <c>ALIGNER</c>.</summary>
    public string PeftType { get; init; } = "ALIGNER";

    /// <summary>Always 1.</summary>
    public int FormatVersion { get; init; } = 1;

    /// <summary>The attention reading: <c>gated</c> (own softmax, a gate per head) or <c>concat</c>.</summary>
    public string Attention { get; init; } = GatedAttention;

    /// <summary>N, 1 .. 4096.</summary>
    public required int NumTokens { get; init; }

    /// <summary>The first adapted layer, 0 .. L - 1; 0 for <c>concat</c>.</summary>
    public required int StartLayer { get; init; }

    /// <summary>d.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>L, all layers of the model.</summary>
    public required int NumLayers { get; init; }

    /// <summary>H, query heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>G, key/value heads.</summary>
    public required int NumKvHeads { get; init; }

    /// <summary>Elements of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>The base model's name or path; for people, nothing opens it.</summary>
    public string BaseModelNameOrPath { get; init; } = "";

    /// <summary>The fingerprint of the base model (<see cref="AlignerOnnx.Adapters.BaseFingerprint"/>); empty where it was imported without its model.</summary>
    public required string BaseFingerprint { get; init; }

    /// <summary>How it was trained; null where that is not known.</summary>
    public TrainingRecord? Training { get; init; }

    /// <summary>L', the number of adapted layers.</summary>
    [JsonIgnore]
    public int AdaptedLayers => NumLayers - StartLayer;

    /// <summary>Layers that have gates: the adapted ones, or none where attention is <c>concat</c>.</summary>
    [JsonIgnore]
    public int GatedLayers => Attention == ConcatAttention ? 0 : AdaptedLayers;
}

/// <summary>How an adapter was trained.</summary>
public sealed record TrainingRecord
{
    /// <summary>The recipe in words: method, rate, batch size.</summary>
    public string Recipe { get; init; } = "";

    /// <summary>Optimizer steps.</summary>
    public int Steps { get; init; }

    /// <summary>The name of the file of training data, without its folder.</summary>
    public string DataFile { get; init; } = "";

    /// <summary>SHA-256 of the training data.</summary>
    public string DataHash { get; init; } = "";

    /// <summary>Rows that were learnt from.</summary>
    public int DataRows { get; init; }

    /// <summary>Their tokens, prompts included.</summary>
    public long DataTokens { get; init; }

    /// <summary>Their tokens that the loss counts.</summary>
    public long LearntTokens { get; init; }

    /// <summary>The random seed.</summary>
    public ulong Seed { get; init; }

    /// <summary>The loss of the last step.</summary>
    public double? FinalLoss { get; init; }

    /// <summary>The mean loss over the completion tokens of the evaluation set.</summary>
    public double? EvalLoss { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, MaxDepth = 8, AllowDuplicateProperties = false, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AdapterConfig))]
internal sealed partial class AdapterConfigJson : JsonSerializerContext;
