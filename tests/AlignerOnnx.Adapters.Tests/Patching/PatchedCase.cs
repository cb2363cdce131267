using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Patching;

/// <summary>A golden case on a patched model, with the values of its slots.</summary>
internal sealed record PatchedCase(GoldenCase Golden, OnnxModel Model, IReadOnlyList<AttentionSite> Sites, IReadOnlyList<(string Name, Array Data, long[] Shape)> Slots)
{
    private const string Mistral = "ref-mistral-sw8";
    private const string WithoutWindow = "-nowindow";

    public static PatchedCase Load(string model, string name, string layout)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        OnnxModel patched = ModelLoader.Load(GoldenCase.ModelFolder(model));
        // Without int8 activations: the reference has none.
        foreach (Node node in patched.Graph.Nodes.Where(node => node.OpType == "MatMulNBits"))
        {
            node.Attributes.Set(NodeAttributes.Of("accuracy_level", 1L));
        }
        RestoreWindow(patched, model, name);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(patched).RequireSites();
        IReadOnlyList<(string, Array, long[])> slots = SlotsOf(golden, sites, layout);
        SlotLayouts.Apply(layout, patched, sites);
        return new PatchedCase(golden, patched, sites, slots);
    }

    /// <summary>A cache that slides takes no padding (ONNX Runtime 1.31.1); the window itself stays.</summary>
    public PatchedCase WithoutSlidingCache()
    {
        foreach (AttentionSite site in Sites.Where(site => site.Core.Attributes.Has("sliding_window_cache")))
        {
            site.Core.Attributes.Set(NodeAttributes.Of("sliding_window_cache", 0L));
        }
        return this;
    }

    public Decoder Decode() => new(Model, Sites, Slots);

    private static IReadOnlyList<(string, Array, long[])> SlotsOf(GoldenCase golden, IReadOnlyList<AttentionSite> sites, string layout)
    {
        Architecture sizes = Architecture.Of(sites, "the model");
        float[] tokens = golden.Singles("tokens");
        if (layout == PrefixInjection.Layout)
        {
            return [(PrefixInjection.Slot, tokens, golden.Shape("tokens"))];
        }
        float[] gates = golden.Singles("gates");
        switch (layout)
        {
            case OneTokenInjection.Layout:
                return [(OneTokenInjection.Slot, OneTokenFolding.Fold(sites, golden.StartLayer, tokens, gates), [1, sizes.Layers, sizes.HiddenSize])];
            case ManyTokenInjection.Layout:
                FoldedTokens folded = ManyTokenFolding.Fold(sites, golden.StartLayer, tokens, gates);
                long[] shape = [1, sizes.Layers, sizes.KeyValueHeads, golden.Tokens, sizes.HeadSize];
                return
                [
                    (ManyTokenInjection.KeySlot, folded.Keys.ToArray(), shape), (ManyTokenInjection.ValueSlot, folded.Values.ToArray(), shape),
                    (ManyTokenInjection.GateSlot, folded.Gates.ToArray(), [1, sizes.Layers, sizes.QueryHeads]),
                ];
            default:
                float[] all = [.. new float[golden.StartLayer * sizes.QueryHeads], .. gates];
                return [(PortableSlotInjection.TokenSlot, tokens, golden.Shape("tokens")), (PortableSlotInjection.GateSlot, all, [sizes.Layers, sizes.QueryHeads])];
        }
    }

    /// <summary>The exporter dropped Mistral's window of 8; for the cases that have it, it is put back.</summary>
    private static void RestoreWindow(OnnxModel loaded, string model, string name)
    {
        foreach (Node core in model == Mistral && !name.EndsWith(WithoutWindow, StringComparison.Ordinal) ? loaded.Graph.Nodes.Where(node => node.OpType == "GroupQueryAttention") : [])
        {
            core.Attributes.Set(NodeAttributes.Of("local_window_size", 8L));
        }
    }
}
