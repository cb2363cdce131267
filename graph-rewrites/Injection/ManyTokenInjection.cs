using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>many-token</c>: <c>aligner.key</c> and <c>aligner.value</c> [b, L, G, n, head size] are the tokens' keys and values of each layer, folded when
/// the adapter is compiled; <c>aligner.gate</c> [b, L, H] are its gates. Queries attend to them in a softmax of their own. n is 0 by default.
/// </summary>
public static class ManyTokenInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "many-token";

    /// <summary>The slot of keys.</summary>
    public const string Keys = "aligner.key";

    /// <summary>The slot of values.</summary>
    public const string Values = "aligner.value";

    /// <summary>The slot of gates.</summary>
    public const string Gates = "aligner.gate";

    internal static void Apply(OnnxGraph graph, IReadOnlyList<AttentionSite> sites)
    {
        (AttentionSite any, long layers) = (sites[0], sites.Count);
        (DataType type, long groups, long size) = (any.ElementType, any.KeyValueHeads, any.HeadSize);
        Value keys = Slots.Add(graph, Keys, type, ["aligner_batch", layers, groups, "aligner_tokens", size], 1, layers, groups, 0, size);
        Value values = Slots.Add(graph, Values, type, ["aligner_batch", layers, groups, "aligner_tokens", size], 1, layers, groups, 0, size);
        Value gates = Slots.Add(graph, Gates, type, ["aligner_batch", layers, any.QueryHeads], 1, layers, any.QueryHeads);
        OpEmitter emit = new(graph, "aligner.many_token");
        Value[] keysOf = Slots.PerLayer(emit, keys, axis: 1, sites);
        Value[] valuesOf = Slots.PerLayer(emit, values, axis: 1, sites);
        Value[] gatesOf = Slots.PerLayer(emit, gates, axis: 1, sites);
        RotatedQueries queries = new(graph);
        for (int layer = 0; layer < sites.Count; layer++)
        {
            OpEmitter within = emit.Within($"layer{layer}");
            Value axis = within.Integers([1]);
            Value k = within.Op("Squeeze", [keysOf[layer], axis]);
            Value v = within.Op("Squeeze", [valuesOf[layer], axis]);
            TokenAttention.Attach(within, sites[layer], queries, k, v, gatesOf[layer]);
        }
    }
}
