using System.Collections.Concurrent;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>A model that adapters are compiled for. Read and recognised once, however many adapters there are.</summary>
public sealed class CompilationTarget
{
    private readonly ConcurrentDictionary<int, string> _fingerprints = [];

    private CompilationTarget(OnnxModel model)
    {
        Sites = RecognisedModel.Of(SlotLayouts.WithoutSlots(model)).RequireSites();
        Layout = SlotLayouts.Of(model);
    }

    /// <summary>All attention sites of the base model.</summary>
    public IReadOnlyList<AttentionSite> Sites { get; }

    /// <summary>The slots; null for a base model.</summary>
    public SlotLayout? Layout { get; }

    /// <summary>Reads a model.</summary>
    /// <param name="model">The base model or its patched form: a folder or an .onnx file.</param>
    /// <exception cref="ModelRefusedException">The model cannot be read or recognised.</exception>
    public static CompilationTarget Of(string model) => new(ModelLoader.Load(model));

    /// <summary>The base model's fingerprint; reading the weights for it takes longer than compiling an adapter.</summary>
    internal string Fingerprint(int startLayer) => _fingerprints.GetOrAdd(startLayer, layer => BaseFingerprint.Of(Sites, layer));
}
