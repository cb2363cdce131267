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

    internal static void Apply(OnnxGraph graph, IReadOnlyList<AttentionSite> sites)
    {
        long size = sites[0].Output.OutputSize;
        Value slot = Slots.Add(graph, Slot, sites[0].ElementType, ["aligner_batch", sites.Count, size], 1, sites.Count, size);
        OpEmitter emit = new(graph, "aligner.one_token");
        foreach ((AttentionSite site, Value vector) in sites.Zip(Slots.PerLayer(emit, slot, axis: 1, sites)))
        {
            OpEmitter within = emit.Within($"layer{site.Layer}");
            Value sum = within.Add(site.End, site.IsFlat ? within.Reshape(vector, 1, size) : vector);
            Slots.Join(site.End, sum);
        }
    }
}
