using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>The trained artifact: tokens, gates, and where they fit.</summary>
/// <param name="Config">Where it fits and how it was made.</param>
/// <param name="Tokens">P, float32 [N, d] row-major.</param>
/// <param name="Gates">beta, float32 [L', H] row-major; row 0 is the start layer. Not read, and empty where it was loaded, if attention is <c>concat</c>.</param>
public sealed record Adapter(AdapterConfig Config, ReadOnlyMemory<float> Tokens, ReadOnlyMemory<float> Gates)
{
    /// <summary>Describes an adapter for a model.</summary>
    /// <param name="sites">All attention sites of the base model.</param>
    /// <param name="modelName">The base model's name.</param>
    /// <param name="startLayer">The first adapted layer.</param>
    /// <param name="tokens">N.</param>
    /// <param name="training">How it was trained.</param>
    public static AdapterConfig Describe(IReadOnlyList<AttentionSite> sites, string modelName, int startLayer, int tokens, TrainingRecord? training = null)
    {
        Architecture architecture = Architecture.Of(sites, modelName);
        return new AdapterConfig
        {
            NumTokens = tokens,
            StartLayer = startLayer,
            HiddenSize = architecture.HiddenSize,
            NumLayers = architecture.Layers,
            NumHeads = architecture.QueryHeads,
            NumKvHeads = architecture.KeyValueHeads,
            HeadDim = architecture.HeadSize,
            BaseModelNameOrPath = modelName,
            BaseFingerprint = AlignerOnnx.Adapters.BaseFingerprint.Of(sites, startLayer),
            Training = training,
        };
    }

    /// <summary>Checks that the adapter is for a model.</summary>
    /// <param name="sites">All attention sites of the model.</param>
    /// <param name="anyBase">Whether another quantisation of the same model is meant: then only the architecture must match.</param>
    /// <exception cref="AdapterRefusedException">The architecture differs, or the fingerprint does.</exception>
    public void RequireFits(IReadOnlyList<AttentionSite> sites, bool anyBase) => RequireFits(sites, anyBase, () => AlignerOnnx.Adapters.BaseFingerprint.Of(sites, Config.StartLayer));

    /// <inheritdoc cref="RequireFits(IReadOnlyList{AttentionSite}, bool)"/>
    internal void RequireFits(CompilationTarget model, bool anyBase) => RequireFits(model.Sites, anyBase, () => model.Fingerprint(Config.StartLayer));

    private void RequireFits(IReadOnlyList<AttentionSite> sites, bool anyBase, Func<string> fingerprint)
    {
        Architecture model = Architecture.Of(sites, "the model");
        Architecture own = new(Config.HiddenSize, Config.NumLayers, Config.NumHeads, Config.NumKvHeads, Config.HeadDim);
        if (model != own)
        {
            throw new AdapterRefusedException("The adapter is for a model of another architecture", $"adapter of {Config.BaseModelNameOrPath}", own.InWords(), model.InWords(), "use the model that the adapter was trained for");
        }
        if (!anyBase && Config.BaseFingerprint.Length == 0)
        {
            throw new AdapterRefusedException("It is not known on which weights the adapter was trained", $"adapter of {Config.BaseModelNameOrPath}", "no base fingerprint", "that of this model",
                "import it again with --model, or say --any-base if this is the model that it was trained for");
        }
        if (!anyBase && fingerprint() is { } ofModel && Config.BaseFingerprint != ofModel)
        {
            throw new AdapterRefusedException("The adapter was trained on other weights", $"adapter of {Config.BaseModelNameOrPath}", $"base fingerprint {Config.BaseFingerprint}",
                $"{ofModel}, that of this model", "use the model that the adapter was trained for, or say --any-base if this is another quantisation of it");
        }
    }
}
