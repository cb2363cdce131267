using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Where training starts.</summary>
/// <param name="Layer">The first adapted layer.</param>
/// <param name="Parameters">Tokens and gates.</param>
/// <param name="Attention">How tokens take part in attention.</param>
internal sealed record AdapterStart(int Layer, AdapterParameters Parameters, AttentionReading Attention)
{
    /// <summary>The optimizer's memory where training stood; null where nothing was trained, or the source does not say.</summary>
    public AdamWState? Optimizer { get; init; }

    /// <summary>What changes nothing: gates of zero, in the last layer alone.</summary>
    public static AdapterStart Neutral(FrozenModel model)
    {
        int last = model.Architecture.Layers - 1;
        return new AdapterStart(last, AdapterParameters.Initial(model.Shape(last, 1), 0), AttentionReading.Gated);
    }

    public static AdapterStart Of(FrozenModel model, FineTuningRequest request)
    {
        if (request.From is string source)
        {
            return Read(model, source, request.AnyBase);
        }
        TrainingOptions options = request.Options;
        int layer = options.Attention == AttentionReading.Concat ? 0 : model.Architecture.StartLayerFor(options.StartLayer, request.Model);
        return new AdapterStart(layer, AdapterParameters.Initial(model.Shape(layer, options.Tokens, options.Attention), options.Seed, options.TokenScale), options.Attention);
    }

    /// <summary>Reads what holds tokens and gates: an adapter folder, the folder of a run that was stopped, or a checkpoint of ONNX Runtime Training.</summary>
    /// <param name="model">The model that they must fit.</param>
    /// <param name="source">The folder or file.</param>
    /// <param name="anyBase">Whether they may be of another quantisation of the model.</param>
    /// <exception cref="RefusedException">They are damaged, or of another model.</exception>
    public static AdapterStart Read(FrozenModel model, string source, bool anyBase) =>
        OrtCheckpointFile.IsCheckpoint(source) ? OfOrtCheckpoint(model, source, anyBase)
        : RunFolder.HasCheckpoint(source) ? OfRun(model, source, anyBase)
        : Of(model, model.LoadAdapter(source, anyBase));

    public static AdapterStart Of(FrozenModel model, Adapter adapter)
    {
        AttentionReading attention = adapter.Config.Attention == AdapterConfig.ConcatAttention ? AttentionReading.Concat : AttentionReading.Gated;
        AdapterShape shape = model.Shape(adapter.Config.StartLayer, adapter.Config.NumTokens, attention);
        return new AdapterStart(adapter.Config.StartLayer, new AdapterParameters(shape, adapter.Tokens.ToArray(), adapter.Gates.ToArray()), attention);
    }

    private static AdapterStart OfOrtCheckpoint(FrozenModel model, string source, bool anyBase)
    {
        OrtCheckpoint checkpoint = OrtCheckpointFile.Read(source);
        AdapterStart start = Fitting(model, checkpoint.Parameters, source) with { Optimizer = checkpoint.Optimizer };
        string? fingerprint = checkpoint.BaseFingerprint;
        return anyBase || fingerprint is null || fingerprint == BaseFingerprint.Of(model.Sites, start.Layer) ? start : throw OfOtherWeights(source, $"base fingerprint {fingerprint}");
    }

    private static AdapterStart OfRun(FrozenModel model, string source, bool anyBase)
    {
        using RunFolder folder = RunFolder.Open(source);
        Checkpoint checkpoint = folder.ReadCheckpoint()!;
        AdapterStart start = Fitting(model, checkpoint.State.Parameters, source) with { Optimizer = checkpoint.State.Optimizer };
        return anyBase || checkpoint.Identity.Model == model.ComputeHash(cancellation: default) ? start : throw OfOtherWeights(source, $"a run on a model of SHA-256 {checkpoint.Identity.Model}");
    }

    /// <summary>The gates say where the first adapted layer is.</summary>
    private static AdapterStart Fitting(FrozenModel model, AdapterParameters parameters, string source)
    {
        AdapterShape found = parameters.Shape;
        AttentionReading attention = found.GateValues == 0 ? AttentionReading.Concat : AttentionReading.Gated;
        int layer = attention == AttentionReading.Concat ? 0 : Math.Max(0, model.Architecture.Layers - found.AdaptedLayers);
        AdapterShape fitting = model.Shape(layer, found.TokenCount, attention);
        return found == fitting
            ? new AdapterStart(layer, parameters, attention)
            : throw new AdapterRefusedException("The tokens and gates are for a model of another architecture", source, found.ToString(), fitting.ToString(), "use the model that they were trained for");
    }

    private static AdapterRefusedException OfOtherWeights(string source, string found) => new(
        "The tokens and gates were trained on other weights", source, found, "those of this model", "use the model that they were trained for, or say --any-base if this is another quantisation of it");
}
