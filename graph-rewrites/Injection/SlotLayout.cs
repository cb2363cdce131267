using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Which slots a patched model has.</summary>
public enum SlotLayout
{
    /// <summary>The folded vector of each layer: N = 1, gated; about free.</summary>
    OneToken,

    /// <summary>Folded keys and values of each layer, and gates: any N, gated.</summary>
    ManyToken,

    /// <summary>Tokens and gates themselves, projected inside the graph: any N, gated; the literal form.</summary>
    Portable,

    /// <summary>A table of tokens that reserved ids select: concat adapters, different ones in one batch.</summary>
    Prefix,
}

/// <summary>What is common to the slot layouts.</summary>
public static class SlotLayouts
{
    /// <summary>The metadata entry of a patched model that names its layout.</summary>
    public const string MetadataKey = "aligner.slots";

    // Split, Squeeze and Unsqueeze take their sizes and axes as inputs since then.
    private const long OldestOpset = 13;

    /// <summary>The layout's name on the command line and in files.</summary>
    public static string NameOf(SlotLayout layout) => layout switch
    {
        SlotLayout.OneToken => OneTokenInjection.Layout,
        SlotLayout.ManyToken => ManyTokenInjection.Layout,
        SlotLayout.Portable => PortableInjection.Layout,
        SlotLayout.Prefix => PrefixInjection.Layout,
        _ => throw new ArgumentOutOfRangeException(nameof(layout), layout, "There is no such layout."),
    };

    /// <summary>All layouts.</summary>
    public static IReadOnlyList<SlotLayout> All { get; } = Enum.GetValues<SlotLayout>();

    /// <summary>The layout of a name; null where there is none.</summary>
    public static SlotLayout? Find(string? name) => All.Cast<SlotLayout?>().FirstOrDefault(layout => NameOf(layout!.Value) == name);

    /// <summary>The layout of a patched model; null for a base model.</summary>
    public static SlotLayout? Of(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Find(model.Metadata(MetadataKey));
    }

    /// <summary>The base model of a patched one, in memory; of a base model, itself.</summary>
    public static OnnxModel WithoutSlots(OnnxModel model)
    {
        if (Of(model) is null)
        {
            return model;
        }
        OnnxModel original = model.Clone();
        SlotRemoval.Apply(original.Graph);
        return original;
    }

    /// <summary>Why a model cannot have the slots of a layout; null where it can. Tried on a copy.</summary>
    public static string? WhyNot(OnnxModel model, SlotLayout layout)
    {
        try
        {
            OnnxModel original = WithoutSlots(model).Clone();
            Apply(original, RecognisedModel.Of(original).RequireSites(), layout);
            return null;
        }
        catch (ModelRefusedException refusal)
        {
            return refusal.Message;
        }
    }

    /// <summary>Adds the slots of a layout.</summary>
    /// <param name="model">The model, changed in place.</param>
    /// <param name="sites">Its attention sites, all of them, in execution order.</param>
    /// <param name="layout">The layout.</param>
    /// <exception cref="ModelRefusedException">The model is patched already, or the layout cannot be added.</exception>
    public static void Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites, SlotLayout layout)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sites);
        if (model.Metadata(SlotMerging.MetadataKey) is { } merged)
        {
            throw new ModelRefusedException("An adapter is merged into the model", model.Path, merged, "a base model", "use the base model that it was made from; adapters of one token are put together with `aligner adapter blend`");
        }
        if (model.Graph.Values.Select(value => value.Name).Concat(model.Graph.Nodes.Select(node => node.Name)).FirstOrDefault(SlotRemoval.IsOwn) is { } present)
        {
            throw new ModelRefusedException("The model is patched already", model.Path, $"the name '{present}'", "a base model", "patch the base model instead");
        }
        if (model.Opset() is < OldestOpset and var opset)
        {
            throw new ModelRefusedException("The model's operators are too old for slots", model.Path, $"opset {opset}", $"opset {OldestOpset} or later", "export the model with a newer opset");
        }
        switch (layout)
        {
            case SlotLayout.OneToken:
                OneTokenInjection.Apply(model.Graph, sites);
                break;
            case SlotLayout.ManyToken:
                ManyTokenInjection.Apply(model.Graph, sites);
                break;
            case SlotLayout.Portable:
                PortableInjection.Apply(model.Graph, sites);
                break;
            default:
                PrefixInjection.Apply(model, sites);
                break;
        }
        model.SetMetadata(MetadataKey, NameOf(layout));
    }
}
