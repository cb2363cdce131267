using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>Makes a patched model folder from a base model. The input is only read; the output appears complete or not at all.</summary>
public static class ModelPatcher
{
    /// <summary>The file that says what was patched.</summary>
    public const string FactsFile = "aligner.json";

    private const long LargestFacts = 1 << 20;

    /// <summary>Patches a model.</summary>
    /// <param name="source">A model folder or an .onnx file.</param>
    /// <param name="destination">The folder to make; it must not exist, or be empty.</param>
    /// <param name="weights">How the weights get there.</param>
    /// <param name="layout">Which slots it gets.</param>
    /// <returns>What was patched.</returns>
    /// <exception cref="ModelRefusedException">The model cannot be read or patched, or the destination lies inside its folder.</exception>
    /// <exception cref="IOException">The destination is taken, or the disk is full.</exception>
    public static PatchFacts Patch(string source, string destination, WeightCopy weights = WeightCopy.Copy, SlotLayout layout = SlotLayout.OneToken)
    {
        ModelPaths.RequireOutside(source, destination);
        OnnxModel model = ModelLoader.Load(source);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        Architecture architecture = Architecture.Of(sites, model.Path!);
        SlotLayouts.Apply(model, sites, layout);
        PatchFacts facts = new(SlotLayouts.NameOf(layout), SlotDocument.Of(model), architecture, model.Path!)
        {
            Warnings = layout == SlotLayout.Prefix && PrefixWindows.Warning(sites) is { } warning ? [warning] : [],
        };
        ModelFolderOutput.Write(model, destination, weights, JsonSerializer.SerializeToUtf8Bytes(facts.ToDocument(), PatchFactsJson.Default.PatchDocument));
        return facts;
    }

    /// <summary>The .onnx file that a patched model was made from, where it still exists; null where not.</summary>
    /// <param name="patched">A patched model folder or its .onnx file.</param>
    /// <exception cref="ModelRefusedException">There is no such model, or its facts are malformed.</exception>
    public static string? BaseFileOf(string patched)
    {
        FileInfo facts = new(Path.Combine(Path.GetDirectoryName(ModelPaths.FindOnnxFile(patched))!, FactsFile));
        if (!facts.Exists)
        {
            return null;
        }
        try
        {
            PatchDocument? document = facts.Length <= LargestFacts ? JsonSerializer.Deserialize(File.ReadAllBytes(facts.FullName), PatchFactsJson.Default.PatchDocument) : throw new JsonException($"{facts.Length} bytes");
            return document?.BaseModel is { Length: > 0 } file && File.Exists(file) ? file : null;
        }
        catch (JsonException malformed)
        {
            throw new ModelRefusedException("The facts of the patched model are malformed", facts.FullName, malformed.Message, "what `aligner patch` wrote", "patch the base model again", malformed);
        }
    }
}
