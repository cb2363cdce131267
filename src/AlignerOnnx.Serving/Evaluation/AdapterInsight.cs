using System.Numerics.Tensors;
using AlignerOnnx.Adapters;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>How strong an adapter is in one layer.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="OutputNorm">Mean norm of the base model's own attention output over the positions of some sample prompts.</param>
/// <param name="FoldedNorm">Norm of the vector that the adapter adds to it; null where that depends on the query (more than one token, concat).</param>
/// <param name="Ratio">The second by the first.</param>
public sealed record LayerStrength(int Layer, double OutputNorm, double? FoldedNorm, double? Ratio);

/// <summary>What can be seen of adapters with their model at hand.</summary>
/// <param name="Prompts">The sample prompts.</param>
/// <param name="Strengths">The first adapter's strength in each layer.</param>
/// <param name="Similarities">Every pair of adapters compared.</param>
public sealed record AdapterInsight(IReadOnlyList<string> Prompts, IReadOnlyList<LayerStrength> Strengths, IReadOnlyList<AdapterSimilarity> Similarities)
{
    /// <summary>Questions of different kinds, for models of any size.</summary>
    private static readonly string[] StandardPrompts = ["What is the capital of France?", "Tell me where a pig lives.", "Write two sentences about the sea, and then count to five."];

    /// <summary>Looks at adapters through their model's weights.</summary>
    /// <param name="modelPath">The base model or its patched form.</param>
    /// <param name="adapters">Names and adapters, at least one.</param>
    /// <param name="anyBase">Accept adapters of another quantisation of the model.</param>
    /// <exception cref="RefusedException">Model or adapter cannot be used.</exception>
    public static AdapterInsight Of(string modelPath, IReadOnlyList<(string Name, Adapter Adapter)> adapters, bool anyBase)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        OnnxModel model = ModelLoader.Load(modelPath);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(GraphRewrites.Injection.SlotLayouts.WithoutSlots(model)).RequireSites();
        foreach ((_, Adapter adapter) in adapters)
        {
            adapter.RequireFits(sites, anyBase);
        }
        double[] norms = AttentionOutputNorms.Measure(model, Encode(Path.GetDirectoryName(model.Path!)!));
        float[]? folded = AdapterSimilarity.Fold(adapters[0].Adapter, sites);
        return new AdapterInsight(StandardPrompts, [.. norms.Select((norm, layer) => Strength(layer, norm, folded, norms.Length))], AdapterSimilarity.OfAll(adapters, sites));
    }

    private static LayerStrength Strength(int layer, double norm, float[]? folded, int layers)
    {
        double? own = folded is null ? null : TensorPrimitives.Norm<float>(folded.AsSpan(layer * (folded.Length / layers), folded.Length / layers));
        return new LayerStrength(layer, norm, own, own / norm);
    }

    private static int[][] Encode(string folder)
    {
        using ChatModel chat = new(folder);
        return [.. StandardPrompts.Select(prompt => chat.Encode(chat.ApplyChatTemplate([new ChatTurn("user", prompt)])))];
    }
}
