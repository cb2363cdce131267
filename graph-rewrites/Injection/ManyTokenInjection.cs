using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>many-token</c>: keys and values of the tokens in every layer, <c>aligner.key</c> and <c>aligner.value</c> [b, L, G, n, head size], and
/// <c>aligner.gate</c> [b, L, H]. The tokens were projected when the adapter was compiled, so the graph only attends to them. By default n is 0 and the branch is zero.
/// </summary>
public static class ManyTokenInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "many-token";

    /// <summary>The slot of the tokens' keys.</summary>
    public const string KeySlot = "aligner.key";

    /// <summary>The slot of the tokens' values.</summary>
    public const string ValueSlot = "aligner.value";

    /// <summary>The slot of the gates.</summary>
    public const string GateSlot = "aligner.gate";

    /// <summary>Adds the slots to a model.</summary>
    /// <param name="model">The model, changed in place.</param>
    /// <param name="sites">Its attention sites, all of them, in execution order.</param>
    /// <exception cref="ModelRefusedException">The model is patched already, is too old, or hides its queries.</exception>
    public static void Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites)
    {
        SlotLayouts.Begin(Layout, model, sites);
        OnnxGraph graph = model.Graph;
        AttentionSite any = sites[0];
        DataType type = any.ElementType;
        Value keys = SlotEmitter.Add(graph, KeySlot, type, defaults: 0, SlotEmitter.AdapterBatch, sites.Count, any.KeyValueHeads, SlotEmitter.TokenCount, any.HeadSize);
        Value values = SlotEmitter.Add(graph, ValueSlot, type, defaults: 0, SlotEmitter.AdapterBatch, sites.Count, any.KeyValueHeads, SlotEmitter.TokenCount, any.HeadSize);
        Value gates = SlotEmitter.Add(graph, GateSlot, type, defaults: 0, SlotEmitter.AdapterBatch, sites.Count, any.QueryHeads);
        OpEmitter emit = new(graph, "aligner.many_token");
        TokenBranch branch = new(model);
        // Parts keep the axis of the layers, of size 1: it meets the sequence, or the head of a group, as an axis to broadcast along.
        Value[] keyOf = SlotEmitter.PerLayer(emit, keys, axis: 1, sites.Count);
        Value[] valueOf = SlotEmitter.PerLayer(emit, values, axis: 1, sites.Count);
        Value[] gateOf = SlotEmitter.PerLayer(emit, emit.Reshape(gates, 0, sites.Count, any.KeyValueHeads, any.QueryHeads / any.KeyValueHeads, 1), axis: 1, sites.Count);
        for (int layer = 0; layer < sites.Count; layer++)
        {
            branch.Add(emit.Within($"layer{layer}"), sites[layer], keyOf[layer], valueOf[layer], gateOf[layer]);
        }
    }
}
