using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>one-token</c>: <c>aligner.delta</c> [b, L, d], the folded vector of each layer, is added behind the output projection.
/// One Split for the model and one Add a layer; the default is zero, so that a model without an adapter computes what the base computes.
/// </summary>
public static class OneTokenInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "one-token";

    /// <summary>The slot's name.</summary>
    public const string Slot = "aligner.delta";

    /// <summary>Adds the slot to a model.</summary>
    /// <param name="model">The model, changed in place.</param>
    /// <param name="sites">Its attention sites, all of them, in execution order.</param>
    /// <exception cref="ModelRefusedException">The model is patched already, or is too old.</exception>
    public static void Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites) => Apply(model, sites, OneTokenPlacement.Add);

    /// <summary>Adds the slot, and the vectors at a place of choice.</summary>
    /// <exception cref="ModelRefusedException">A layer does not offer that place.</exception>
    internal static void Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites, OneTokenPlacement placement)
    {
        SlotLayouts.Begin(Layout, model, sites);
        OnnxGraph graph = model.Graph;
        long size = sites[0].Output.OutputSize;
        OpEmitter emit = new(graph, "aligner.one_token");
        if (placement == OneTokenPlacement.Add)
        {
            Value slot = SlotEmitter.Add(graph, Slot, sites[0].ElementType, defaults: 0, SlotEmitter.AdapterBatch, sites.Count, size);
            Value[] vectors = SlotEmitter.PerLayer(emit, slot, axis: 1, sites.Count);
            foreach ((AttentionSite site, Value vector) in sites.Zip(vectors))
            {
                AddBehind(emit.Within($"layer{site.Layer}"), site.End, vector);
            }
            return;
        }
        // A bias has one dimension: one adapter for the whole batch.
        Value single = SlotEmitter.Add(graph, Slot, sites[0].ElementType, defaults: 0, 1, sites.Count, size);
        Value[] biases = emit.Split(emit.Reshape(single, -1), axis: 0, [.. sites.Select(_ => size)]);
        foreach ((AttentionSite site, Value bias) in sites.Zip(biases))
        {
            (Node node, int input) = BiasPlace.Of(site, placement)
                ?? throw new ModelRefusedException($"Layer {site.Layer} has no free bias", model.Path, site.Output.Node.ToString(), $"a free place of kind {placement}", "use an Add");
            node.Connect(input, bias);
        }
    }

    private static void AddBehind(OpEmitter emit, Value result, Value vector)
    {
        Value sum = emit.Add(result, vector);
        OnnxGraph.ReplaceUses(result, sum, except: sum.Producer);
    }
}
