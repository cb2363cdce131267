using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Lowers a recognised decoder: fused operators become differentiable ones, the key/value cache goes, a whole sequence comes in at once.</summary>
internal static class DecoderLowering
{
    /// <summary>The input of token ids, int64 [b, s].</summary>
    public const string InputIds = "input_ids";

    /// <summary>The input that numbers the sequences of a line, int64 [b, s].</summary>
    public const string AttentionMask = "attention_mask";

    /// <summary>Rewrites the model in place; its only output left is the logits.</summary>
    /// <param name="model">The decoder.</param>
    /// <param name="sites">Its attention sites.</param>
    /// <param name="leading">The sequence with the tokens of an adapter before it; null where it is what the graph is given.</param>
    /// <exception cref="ModelRefusedException">A part of the decoder has no lowering.</exception>
    public static (IReadOnlyList<LoweredSite> Sites, SequenceFacts Sequence) Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites, LeadingTokens? leading = null)
    {
        OnnxGraph graph = model.Graph;
        if (sites.Select(site => (site, reason: LoweringObstacle.Of(site))).FirstOrDefault(pair => pair.reason is not null) is { reason: { } why } culprit)
        {
            throw new ModelRefusedException($"Layer {culprit.site.Layer} cannot be trained: {why}", $"{model.Path}, {culprit.site.Core}");
        }
        foreach (Value output in graph.Outputs.Where(output => output.Name != "logits").ToArray())
        {
            graph.RemoveOutput(output);
        }
        SequenceFacts sequence = new(graph, leading?.InputIds ?? RequireInput(model, InputIds), leading?.AttentionMask ?? RequireInput(model, AttentionMask), leading?.Count ?? 0);
        LoweredSite[] lowered = [.. sites.Select(site => IsDecomposed(site) ? DecomposedAttentionLowering.Lower(graph, site) : FusedAttentionLowering.Lower(graph, site, sequence))];
        CacheLowering.Apply(graph, RequireInput(model, InputIds), sequence);
        RotaryLowering.Apply(graph, RequireInput(model, InputIds));
        NormalizationLowering.Apply(graph);
        ActivationLowering.Apply(graph);
        PrunedHeadLowering.Apply(graph);
        UseExactActivations(graph);
        return (lowered, sequence);
    }

    /// <summary>Whether several sequences may share a row: only masks of our own keep them apart.</summary>
    public static bool CanPack(IReadOnlyList<AttentionSite> sites) => !sites.Any(site => IsDecomposed(site) || ScoreBias.IsComputed(site));

    /// <summary>An input that training feeds.</summary>
    /// <exception cref="ModelRefusedException">The model lacks it.</exception>
    public static Value RequireInput(OnnxModel model, string name) => model.Graph.Find(name) is { IsGraphInput: true } input
        ? input
        : throw new ModelRefusedException("The model lacks an input that training needs", model.Path, $"no input '{name}'", "inputs input_ids and attention_mask");

    private static bool IsDecomposed(AttentionSite site) => site.Core.Is("Softmax");

    /// <summary>Training wants float32 activations (accuracy level 1), not activations rounded to int8 (level 4).</summary>
    private static void UseExactActivations(OnnxGraph graph)
    {
        foreach (Node node in graph.Nodes.Where(node => node.Is("MatMulNBits", Domains.Microsoft)))
        {
            node.Attributes.Set(NodeAttributes.Of("accuracy_level", 1L));
        }
    }
}
