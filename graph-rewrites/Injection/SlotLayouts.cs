using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>The slot layouts that a patched model can have, and what their injections have in common.</summary>
public static class SlotLayouts
{
    /// <summary>What the names of all values start with that a patch adds.</summary>
    public const string NamePrefix = "aligner.";

    /// <summary>The key of the ONNX metadata that names the layout of a patched model.</summary>
    public const string MetadataKey = "aligner.slots";

    /// <summary>Split, ReduceSum and Unsqueeze take sizes and axes as inputs from here on.</summary>
    private const long LeastOpset = 13;

    /// <summary>A model can override initializers from this IR version on.</summary>
    private const long LeastIrVersion = 4;

    private static readonly Dictionary<string, Action<OnnxModel, IReadOnlyList<AttentionSite>>> Injections = new()
    {
        [OneTokenInjection.Layout] = OneTokenInjection.Apply,
        [ManyTokenInjection.Layout] = ManyTokenInjection.Apply,
        [PortableSlotInjection.Layout] = PortableSlotInjection.Apply,
        [PrefixInjection.Layout] = (model, sites) => PrefixInjection.Apply(model, sites),
    };

    /// <summary>The names of all layouts, the default first.</summary>
    public static IReadOnlyList<string> All { get; } = [OneTokenInjection.Layout, ManyTokenInjection.Layout, PortableSlotInjection.Layout, PrefixInjection.Layout];

    /// <summary>Adds the slots of a layout to a model.</summary>
    /// <param name="layout">One of <see cref="All"/>.</param>
    /// <param name="model">The model, changed in place.</param>
    /// <param name="sites">Its attention sites, all of them, in execution order.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layout.</exception>
    /// <exception cref="ModelRefusedException">The model is patched already, is too old, or cannot have this layout.</exception>
    public static void Apply(string layout, OnnxModel model, IReadOnlyList<AttentionSite> sites)
    {
        ArgumentNullException.ThrowIfNull(layout);
        Action<OnnxModel, IReadOnlyList<AttentionSite>> apply = Injections.GetValueOrDefault(layout)
            ?? throw new ArgumentOutOfRangeException(nameof(layout), layout, $"Expected one of {string.Join(", ", All)}.");
        apply(model, sites);
    }

    /// <summary>The layout of a patched model; null for a base model.</summary>
    public static string? Of(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Metadata(MetadataKey);
    }

    /// <summary>Checks what every layout needs, and says in the metadata which one it is.</summary>
    internal static void Begin(string layout, OnnxModel model, IReadOnlyList<AttentionSite> sites)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sites);
        if (Of(model) is { } present)
        {
            throw new ModelRefusedException("The model is patched already", model.Path, $"slots of layout {present}", "a base model", "patch the base model instead");
        }
        if (model.Graph.Values.FirstOrDefault(value => value.Name.StartsWith(NamePrefix, StringComparison.Ordinal)) is { } taken)
        {
            throw new ModelRefusedException("The model has values with the names of slots", model.Path, $"a value '{taken}'", "a base model", "patch the base model instead");
        }
        if (model.Opset() < LeastOpset || model.IrVersion < LeastIrVersion)
        {
            throw new ModelRefusedException("The model is of an older ONNX version than slots need", model.Path, $"opset {model.Opset()}, IR version {model.IrVersion}",
                $"opset {LeastOpset} and IR version {LeastIrVersion}, or later", "export it again with a newer exporter");
        }
        model.SetMetadata(MetadataKey, layout);
        model.RequireOpset(Domains.Microsoft, 1);
    }
}
