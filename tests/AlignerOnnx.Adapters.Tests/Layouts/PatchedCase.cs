using System.Globalization;
using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Layouts;

/// <summary>A golden case on a patched model, with the adapter compiled for its slots.</summary>
internal sealed record PatchedCase(GoldenCase Golden, OnnxModel Model, IReadOnlyList<AttentionSite> Sites, IReadOnlyList<AdapterParameter> Slots)
{
    private const string Mistral = "ref-mistral-sw8";
    private const string WithoutWindow = "-nowindow";
    private const string SlidingCache = "sliding_window_cache";
    private const int RoomForASlidingCache = 64;

    /// <param name="model">The golden folder.</param>
    /// <param name="name">The case.</param>
    /// <param name="layout">The slots.</param>
    /// <param name="export">Another export of the same weights; by default the one that the golden folder names.</param>
    public static PatchedCase Load(string model, string name, SlotLayout layout, string? export = null)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        OnnxModel patched = ModelLoader.Load(export ?? GoldenCase.ModelFolder(model));
        RestoreWindow(patched, model, name);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(patched).RequireSites();
        IReadOnlyList<AdapterParameter> slots = AdapterCompiler.Parameters(AdapterOf(golden, sites), sites, layout);
        SlotLayouts.Apply(patched, sites, layout);
        // Without int8 activations: the reference has none.
        foreach (Node node in patched.Graph.Nodes.Where(node => node.OpType == "MatMulNBits"))
        {
            node.Attributes.Set(NodeAttributes.Of("accuracy_level", 1L));
        }
        return new PatchedCase(golden, patched, sites, slots);
    }

    /// <summary>The ids that select the adapter's tokens and stand before the sequence; none but with <c>prefix</c> slots.</summary>
    public long[] TokenIds => Model.Metadata(PrefixInjection.FirstIdKey) is { } first
        ? [.. Enumerable.Range(0, Golden.Tokens).Select(row => long.Parse(first, CultureInfo.InvariantCulture) + row)]
        : [];

    /// <summary>A cache that slides takes no padding (ONNX Runtime 1.31.1); the window itself stays.</summary>
    public PatchedCase WithoutSlidingCache()
    {
        foreach (AttentionSite site in Sites.Where(site => site.Core.Attributes.Has(SlidingCache)))
        {
            site.Core.Attributes.Set(NodeAttributes.Of(SlidingCache, 0L));
        }
        return this;
    }

    public DecoderRunner Decode() => new(Model, Sites[0].HeadSize, Sites.Any(site => site.Core.Attributes.Int(SlidingCache, 0) != 0) ? RoomForASlidingCache : 0,
        [.. Slots.Select(slot => (slot.Name, Singles(slot), slot.Shape.ToArray()))]);

    private static float[] Singles(AdapterParameter slot) => slot.Type == DataType.Float16
        ? Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(slot.Data.Span).ToArray(), number => (float)number)
        : MemoryMarshal.Cast<byte, float>(slot.Data.Span).ToArray();

    private static Adapter AdapterOf(GoldenCase golden, IReadOnlyList<AttentionSite> sites)
    {
        AdapterConfig config = Adapter.Describe(sites, golden.Name, golden.StartLayer, golden.Tokens);
        return golden.Has("gates")
            ? new Adapter(config, golden.Singles("tokens"), golden.Singles("gates"))
            : new Adapter(config with { Attention = "concat" }, golden.Singles("tokens"), new float[config.AdaptedLayers * config.NumHeads]);
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
