using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using Microsoft.ML.OnnxRuntime.Tensors;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GenAI;

/// <summary>What a batch of rows of different lengths needs to know of a decoder.</summary>
/// <param name="Caches">The names of past and present keys and values, [b, G, capacity, head size] each; updated in place.</param>
/// <param name="KeyValueHeads">G.</param>
/// <param name="HeadSize">Elements of one head.</param>
/// <param name="ElementType">Of keys and values: float or float16.</param>
internal sealed record BatchForm(IReadOnlyList<(string Past, string Present)> Caches, int KeyValueHeads, int HeadSize, TensorElementType ElementType)
{
    internal const string InputIds = "input_ids";
    internal const string AttentionMask = "attention_mask";
    internal const string Logits = "logits";

    private const int Steps = 8;

    /// <summary>Bytes of one element of keys and values.</summary>
    internal int ElementSize => ElementType == TensorElementType.Float16 ? 2 : 4;

    /// <summary>Bytes of the keys and values of one position of one row, all layers.</summary>
    internal long BytesPerPosition => (long)Caches.Count * KeyValueHeads * HeadSize * ElementSize;

    /// <summary>The form of a decoder whose rows can be of different lengths and share their cache with the operators; else why it is none.</summary>
    internal static (BatchForm? Form, string? Obstacle) Of(OnnxModel model)
    {
        IReadOnlyList<AttentionSite> sites;
        try
        {
            sites = RecognisedModel.Of(SlotLayouts.WithoutSlots(model)).RequireSites();
        }
        catch (ModelRefusedException e)
        {
            return (null, e.Message);
        }
        string? obstacle = WhyNot(model, sites);
        return obstacle is not null ? (null, obstacle) : (new BatchForm(
            [.. sites.SelectMany(site => new[] { (site.Cache.PastKey!.Name, site.Cache.PresentKey!.Name), (site.Cache.PastValue!.Name, site.Cache.PresentValue!.Name) })],
            sites[0].KeyValueHeads, sites[0].HeadSize, sites[0].Cache.PastKey!.ElementType == DataType.Float16 ? TensorElementType.Float16 : TensorElementType.Float), null);
    }

    private static string? WhyNot(OnnxModel model, IReadOnlyList<AttentionSite> sites) =>
        sites.FirstOrDefault(site => !site.Core.Is("GroupQueryAttention", Domains.Microsoft)) is { } other ? $"layer {other.Layer} is {other.Form}; rows of different lengths need GroupQueryAttention"
        : sites.FirstOrDefault(site => !HasSharedCache(site.Cache)) is { } open ? $"layer {open.Layer} has no cache of float or float16 that it reads and writes"
        : sites.FirstOrDefault(site => site.Core.Attributes.Int("sliding_window_cache", 0) != 0) is { } sliding ? $"the cache of layer {sliding.Layer} slides"
        : sites.FirstOrDefault(site => !CountsTheMask(site.Core.Input(5))) is { } fixedLength ? $"the lengths of layer {fixedLength.Layer} are not the sums of {AttentionMask}"
        : model.Graph.Nodes.FirstOrDefault(node => node.OpType == "If") is { } branch ? $"{branch} chooses by the length of the whole batch"
        : SlotLayouts.Of(model) == SlotLayout.Portable ? "portable slots have one adapter for the whole batch"
        : ForeignInput(model.Graph, sites) is { } foreign ? $"the input '{foreign}' is not known"
        : null;

    private static bool HasSharedCache(CacheFacts cache) =>
        new[] { cache.PastKey, cache.PastValue }.All(past => past is { IsGraphInput: true, ElementType: DataType.Float or DataType.Float16 })
        && new[] { cache.PresentKey, cache.PresentValue }.All(present => present is { IsGraphOutput: true });

    /// <summary>Whether the operator takes a row's length from how many ones the row's mask has.</summary>
    private static bool CountsTheMask(Value? lengths)
    {
        for (int step = 0; step < Steps && lengths?.Producer is { } node; step++)
        {
            if (node.OpType == "ReduceSum")
            {
                Value? summed = node.Input(0)?.Producer is { OpType: "Cast" } cast ? cast.Input(0) : node.Input(0);
                return summed is { IsGraphInput: true, Name: AttentionMask };
            }
            lengths = node.OpType is "Cast" or "Sub" or "Squeeze" or "Reshape" or "Identity" ? node.Input(0) : null;
        }
        return false;
    }

    private static string? ForeignInput(OnnxGraph graph, IReadOnlyList<AttentionSite> sites)
    {
        HashSet<string> known = [InputIds, AttentionMask, .. sites.SelectMany(site => new[] { site.Cache.PastKey!.Name, site.Cache.PastValue!.Name })];
        return graph.Inputs.FirstOrDefault(input => input.Initializer is null && !known.Contains(input.Name))?.Name;
    }
}
