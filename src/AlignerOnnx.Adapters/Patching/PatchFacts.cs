using System.Text.Json.Serialization;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>What a patched model is: its layout, its slots and the base it was made from.</summary>
/// <param name="Layout">The slot layout, for example <c>one-token</c>.</param>
/// <param name="Slots">The slots.</param>
/// <param name="Architecture">The sizes that an adapter depends on.</param>
/// <param name="BaseFile">The .onnx file that was patched.</param>
public sealed record PatchFacts(string Layout, IReadOnlyList<SlotDocument> Slots, Architecture Architecture, string BaseFile)
{
    /// <summary>What users of the patched model should know; empty where there is nothing.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    internal PatchDocument ToDocument() => new(1, Layout, Slots, BaseFile, Architecture);
}

/// <summary>A slot as <c>aligner.json</c> describes it.</summary>
/// <param name="Name">The graph input.</param>
/// <param name="Shape">Its shape; names stand for sizes that the caller chooses.</param>
public sealed record SlotDocument(string Name, IReadOnlyList<string> Shape)
{
    /// <summary>The slots of a patched model: graph inputs named <c>aligner.*</c> that have a default.</summary>
    public static IReadOnlyList<SlotDocument> Of(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return [.. model.Graph.Inputs.Where(input => input.Initializer is not null && input.Name.StartsWith("aligner.", StringComparison.Ordinal))
            .Select(input => new SlotDocument(input.Name, [.. input.Type!.TensorType.Shape.Dim.Select(size => size.HasDimValue ? $"{size.DimValue}" : size.DimParam)]))];
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} [{string.Join(", ", Shape)}]";
}

internal sealed record PatchDocument(int FormatVersion, string Layout, IReadOnlyList<SlotDocument> Slots, string BaseModel, Architecture Architecture);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(PatchDocument))]
internal sealed partial class PatchFactsJson : JsonSerializerContext;
