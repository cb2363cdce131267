using System.Text.Json.Serialization;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>What a patched model is: its layout, its slots and the base it was made from.</summary>
/// <param name="Layout">The slot layout, for example <c>one-token</c>.</param>
/// <param name="Slot">The slot's name.</param>
/// <param name="BaseFingerprint">The fingerprint of the base model over all layers.</param>
/// <param name="Architecture">The sizes that an adapter depends on.</param>
/// <param name="BaseFile">The .onnx file that was patched.</param>
public sealed record PatchFacts(string Layout, string Slot, string BaseFingerprint, Architecture Architecture, string BaseFile)
{
    internal PatchDocument ToDocument() => new(
        1, Layout, [new SlotDocument(Slot, ["aligner_batch", $"{Architecture.Layers}", $"{Architecture.HiddenSize}"])], BaseFingerprint, Architecture);
}

internal sealed record SlotDocument(string Name, IReadOnlyList<string> Shape);

internal sealed record PatchDocument(int FormatVersion, string Layout, IReadOnlyList<SlotDocument> Slots, string BaseFingerprint, Architecture Architecture);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(PatchDocument))]
internal sealed partial class PatchFactsJson : JsonSerializerContext;
