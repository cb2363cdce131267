using System.Text.Json.Serialization;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>What was merged into a model.</summary>
/// <param name="Adapter">The adapter's name.</param>
/// <param name="AdapterSha256">SHA-256 of its tensors, or of the compiled file.</param>
/// <param name="Layout">The slot layout whose slots became constants.</param>
/// <param name="Tokens">N; null for a compiled adapter that does not say.</param>
/// <param name="StartLayer">The first adapted layer; null for a compiled adapter.</param>
/// <param name="Recipe">How the adapter was made; null where that is not known.</param>
public sealed record MergeFacts(string Adapter, string AdapterSha256, string Layout, int? Tokens, int? StartLayer, string? Recipe);

internal sealed record MergeDocument(int FormatVersion, MergeFacts Merged, string BaseModel, Architecture Architecture);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MergeDocument))]
internal sealed partial class MergeFactsJson : JsonSerializerContext;
