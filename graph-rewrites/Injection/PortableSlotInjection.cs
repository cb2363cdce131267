using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>portable</c>: the trained artifact itself, <c>aligner.tokens</c> [n, d] and <c>aligner.gates</c> [L, H]. Every layer projects the tokens by its own
/// frozen weights in every step, which costs more than the other layouts. By default n is 0 and the branch is zero.
/// </summary>
public static class PortableSlotInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "portable";

    /// <summary>The slot of the tokens.</summary>
    public const string TokenSlot = PortableInjection.Tokens;

    /// <summary>The slot of the gates.</summary>
    public const string GateSlot = PortableInjection.Gates;

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
        Value tokens = SlotEmitter.Add(graph, TokenSlot, type, defaults: 0, SlotEmitter.TokenCount, any.HiddenSize);
        Value gates = SlotEmitter.Add(graph, GateSlot, type, defaults: 0, sites.Count, any.QueryHeads);
        OpEmitter emit = new(graph, "aligner.portable");
        TokenBranch branch = new(model);
        Value[] gateOf = SlotEmitter.PerLayer(emit, emit.Reshape(gates, sites.Count, any.KeyValueHeads, any.QueryHeads / any.KeyValueHeads, 1), axis: 0, sites.Count);
        for (int layer = 0; layer < sites.Count; layer++)
        {
            OpEmitter within = emit.Within($"layer{layer}");
            AttentionSite site = sites[layer];
            (Value keys, Value values) = TokenProjection.Project(within, site, tokens);
            branch.Add(within, site, ByHead(within, keys, site), ByHead(within, values, site), gateOf[layer]);
        }
    }

    /// <summary>[n, G * head size] -> [G, n, head size].</summary>
    private static Value ByHead(OpEmitter emit, Value rows, AttentionSite site) => emit.Transpose(emit.Reshape(rows, 0, site.KeyValueHeads, site.HeadSize), 1, 0, 2);
}
