using System.Security.Cryptography;
using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;

namespace AlignerOnnx.Adapters;

/// <summary>
/// Bakes an adapter into a model folder, so that any ONNX Runtime GenAI application uses it without knowing of slots. The graph is that of the patched model, its slots are constants.
/// The input is only read; the output appears complete or not at all.
/// </summary>
public static class ModelMerger
{
    /// <summary>Merges an adapter into a model.</summary>
    /// <param name="source">The base model, or its patched form: a folder or an .onnx file.</param>
    /// <param name="adapter">An adapter folder or an <c>.onnx_adapter</c> file: gated, any number of tokens.</param>
    /// <param name="destination">The folder to make; it must not exist, or be empty.</param>
    /// <param name="weights">How the weights get there.</param>
    /// <param name="anyBase">Accept an adapter of another quantisation of the model.</param>
    /// <returns>What was merged.</returns>
    /// <exception cref="ModelRefusedException">The model cannot be read or patched, or the destination lies inside its folder.</exception>
    /// <exception cref="AdapterRefusedException">The adapter is damaged, does not fit, or is a concat adapter.</exception>
    /// <exception cref="IOException">The destination is taken, or the disk is full.</exception>
    public static MergeFacts Merge(string source, string adapter, string destination, WeightCopy weights = WeightCopy.Copy, bool anyBase = false)
    {
        ModelPaths.RequireOutside(source, destination);
        OnnxModel model = ModelLoader.Load(source);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(SlotLayouts.WithoutSlots(model)).RequireSites();
        (IReadOnlyList<AdapterParameter> values, MergeFacts facts) = File.Exists(adapter) ? OfCompiled(adapter) : OfFolder(adapter, sites, SlotLayouts.Of(model), anyBase);
        if (SlotLayouts.Of(model) is null)
        {
            SlotLayouts.Apply(model, sites, SlotLayouts.Find(facts.Layout)!.Value);
        }
        SlotMerging.Apply(model, [.. values.Select(value => Tensor.Inline(value.Name, value.Type, value.Data.Span, [.. value.Shape]))]);
        MergeDocument document = new(1, facts, model.Path!, Architecture.Of(sites, model.Path!));
        ModelFolderOutput.Write(model, destination, weights, JsonSerializer.SerializeToUtf8Bytes(document, MergeFactsJson.Default.MergeDocument));
        return facts;
    }

    private static (IReadOnlyList<AdapterParameter>, MergeFacts) OfFolder(string folder, IReadOnlyList<AttentionSite> sites, SlotLayout? present, bool anyBase)
    {
        Adapter adapter = AdapterPackage.Load(folder);
        SlotLayout layout = present ?? AdapterCompiler.LayoutFor(adapter.Config);
        RequireNoPrefix(layout, folder);
        adapter.RequireFits(sites, anyBase);
        MergeFacts facts = new(NameOf(folder), HashOf(Path.Combine(folder, AdapterPackage.TensorFile)), SlotLayouts.NameOf(layout), adapter.Config.NumTokens, adapter.Config.StartLayer, adapter.Config.Training?.Recipe);
        return (AdapterCompiler.Parameters(adapter, sites, layout), facts);
    }

    private static (IReadOnlyList<AdapterParameter>, MergeFacts) OfCompiled(string file)
    {
        IReadOnlyList<AdapterParameter> values = OnnxAdapterFile.Read(file);
        SlotLayout layout = values.Select(value => value.Name).FirstOrDefault() switch
        {
            OneTokenInjection.Slot => SlotLayout.OneToken,
            PrefixInjection.Slot => SlotLayout.Prefix,
            PortableInjection.Tokens or PortableInjection.Gates => SlotLayout.Portable,
            _ => SlotLayout.ManyToken,
        };
        RequireNoPrefix(layout, file);
        return (values, new MergeFacts(NameOf(file), HashOf(file), SlotLayouts.NameOf(layout), null, null, null));
    }

    private static void RequireNoPrefix(SlotLayout layout, string adapter)
    {
        if (layout == SlotLayout.Prefix)
        {
            throw new AdapterRefusedException("A concat adapter cannot be merged into a model", adapter, "tokens that stand in the sequence before the prompt and take places in its cache, which the application counts", "a gated adapter",
                "serve it with `aligner serve`, or patch the model with --slots prefix and put the reserved ids before each prompt");
        }
    }

    private static string NameOf(string path) => Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));

    private static string HashOf(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));
}
