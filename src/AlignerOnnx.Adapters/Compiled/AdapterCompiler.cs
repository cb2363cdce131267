using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>Compiles adapters: folds their values through one model's weights into the slots of its layout.</summary>
public static class AdapterCompiler
{
    /// <summary>Compiles an adapter for the slots of a model; for a base model, for the layout that the adapter needs.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="model">The base model or its patched form: a folder or an .onnx file.</param>
    /// <param name="output">The .onnx_adapter file to write, complete or not at all.</param>
    /// <param name="anyBase">Accept another quantisation of the model that the adapter was trained on.</param>
    /// <exception cref="AdapterRefusedException">The adapter does not fit the model or the layout.</exception>
    /// <exception cref="ModelRefusedException">The model cannot be read or recognised.</exception>
    public static void Compile(Adapter adapter, string model, string output, bool anyBase = false) => Compile(adapter, CompilationTarget.Of(model), output, anyBase);

    /// <inheritdoc cref="Compile(Adapter, string, string, bool)"/>
    public static void Compile(Adapter adapter, CompilationTarget model, string output, bool anyBase = false)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentNullException.ThrowIfNull(model);
        adapter.RequireFits(model, anyBase);
        byte[] file = OnnxAdapterFile.ToBytes(Parameters(adapter, model.Sites, model.Layout ?? LayoutFor(adapter.Config)));
        AtomicOutput.WriteFile(output, stream => stream.Write(file));
    }

    /// <summary>The cheapest layout that takes an adapter.</summary>
    public static SlotLayout LayoutFor(AdapterConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return config switch
        {
            { Attention: AdapterConfig.ConcatAttention } => SlotLayout.Prefix,
            { NumTokens: 1 } => SlotLayout.OneToken,
            _ => SlotLayout.ManyToken,
        };
    }

    /// <summary>The values of a layout's slots for an adapter.</summary>
    /// <param name="adapter">The adapter; it fits the sites.</param>
    /// <param name="sites">All attention sites of the base model.</param>
    /// <param name="layout">The layout.</param>
    /// <exception cref="AdapterRefusedException">The layout does not take the adapter.</exception>
    public static IReadOnlyList<AdapterParameter> Parameters(Adapter adapter, IReadOnlyList<AttentionSite> sites, SlotLayout layout)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentNullException.ThrowIfNull(sites);
        RequireTaken(adapter.Config, layout);
        (DataType type, long layers, long tokens) = (sites[0].ElementType, sites.Count, adapter.Config.NumTokens);
        (long groups, long heads, long size, long width) = (sites[0].KeyValueHeads, sites[0].QueryHeads, sites[0].HeadSize, sites[0].HiddenSize);
        switch (layout)
        {
            case SlotLayout.OneToken:
                float[] delta = OneTokenFolding.Fold(sites, adapter.Config.StartLayer, adapter.Tokens, adapter.Gates);
                return [Parameter(OneTokenInjection.Slot, type, delta, 1, layers, sites[0].Output.OutputSize)];
            case SlotLayout.ManyToken:
                ManyTokenFolding.Folded folded = ManyTokenFolding.Fold(sites, adapter);
                return
                [
                    Parameter(ManyTokenInjection.Keys, type, folded.Keys, 1, layers, groups, tokens, size),
                    Parameter(ManyTokenInjection.Values, type, folded.Values, 1, layers, groups, tokens, size),
                    Parameter(ManyTokenInjection.Gates, type, folded.Gates, 1, layers, heads),
                ];
            case SlotLayout.Portable:
                float[] gates = new float[layers * heads];
                adapter.Gates.Span.CopyTo(gates.AsSpan((int)(adapter.Config.StartLayer * heads)));
                return [Parameter(PortableInjection.Tokens, type, adapter.Tokens.ToArray(), tokens, width), Parameter(PortableInjection.Gates, type, gates, layers, heads)];
            default:
                return [Parameter(PrefixInjection.Slot, type, adapter.Tokens.ToArray(), tokens, width)];
        }
    }

    /// <summary>Whether a layout takes an adapter: <c>one-token</c> one gated token, <c>prefix</c> concat adapters of all layers, the others gated ones.</summary>
    public static bool Takes(SlotLayout layout, AdapterConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return layout switch
        {
            SlotLayout.OneToken => config is { Attention: AdapterConfig.GatedAttention, NumTokens: 1 },
            SlotLayout.Prefix => config is { Attention: AdapterConfig.ConcatAttention, StartLayer: 0 },
            _ => config.Attention == AdapterConfig.GatedAttention,
        };
    }

    private static void RequireTaken(AdapterConfig config, SlotLayout layout)
    {
        if (!Takes(layout, config))
        {
            throw new AdapterRefusedException($"The adapter does not fit {SlotLayouts.NameOf(layout)} slots", $"adapter of {config.BaseModelNameOrPath}",
                $"{config.NumTokens} tokens, {config.Attention}, from layer {config.StartLayer}",
                layout switch { SlotLayout.OneToken => "one token, gated", SlotLayout.Prefix => "concat, from layer 0", _ => "gated" },
                $"patch the model with --slots {SlotLayouts.NameOf(LayoutFor(config))}");
        }
    }

    private static AdapterParameter Parameter(string name, DataType type, float[] numbers, params IReadOnlyList<long> shape) => new(name, type, shape, FloatEncoding.ToBytes(numbers, type));
}
