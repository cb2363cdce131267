using System.Text;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.ModelFuzz;

/// <summary>What is fuzzed: load, recognise, patch, save by the product's own path, then the saved model once more.</summary>
internal static class Target
{
    /// <summary>Takes one file through all of it.</summary>
    /// <param name="file">The .onnx file, its data files beside it.</param>
    /// <param name="layout">The slots it gets.</param>
    /// <param name="weights">How data files get into the patched model.</param>
    /// <returns>Null where it was patched, else the reason of the refusal.</returns>
    /// <exception cref="Exception">Anything but a refusal is a finding.</exception>
    public static string? Run(string file, SlotLayout layout, WeightCopy weights)
    {
        string patched = file + ".patched";
        try
        {
            if (SaysItIsPatched(file))
            {
                RecognisedModel.Of(SlotLayouts.WithoutSlots(ModelLoader.Load(file))).RequireSites();
            }
            int sites = ModelPatcher.Patch(file, patched, weights, layout).Architecture.Layers;
            RequireSound(Path.Combine(patched, Path.GetFileName(file)), layout, sites);
            return null;
        }
        catch (RefusedException refusal)
        {
            return refusal.What;
        }
        finally
        {
            if (Directory.Exists(patched))
            {
                Directory.Delete(patched, recursive: true);
            }
        }
    }

    /// <summary>What was saved loads again, is written again with nothing lost, and holds its base model: a refusal now would be a fault of the rewriter.</summary>
    private static void RequireSound(string saved, SlotLayout layout, int sites)
    {
        try
        {
            OnnxModel model = ModelLoader.Load(saved);
            Require(SlotLayouts.Of(model) == layout, "the saved model has another layout");
            Require(model.ToBytes().Length == new FileInfo(saved).Length, "the saved model is written differently the second time");
            Require(RecognisedModel.Of(SlotLayouts.WithoutSlots(model)).RequireSites().Count == sites, "the saved model without its slots has other sites");
        }
        catch (RefusedException refusal)
        {
            throw new InvalidOperationException($"The saved model is refused: {refusal.Message}", refusal);
        }
    }

    /// <summary>Only then the way back to the base model is worth a second load.</summary>
    private static bool SaysItIsPatched(string file) => File.ReadAllBytes(file).AsSpan().IndexOf(Encoding.UTF8.GetBytes(SlotLayouts.MetadataKey)) >= 0;

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new InvalidOperationException(otherwise);
        }
    }
}
