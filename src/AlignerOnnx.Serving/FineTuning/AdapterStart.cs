using AlignerOnnx.Adapters;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Where training starts.</summary>
/// <param name="Layer">The first adapted layer.</param>
/// <param name="Parameters">Tokens and gates.</param>
/// <param name="Attention">How tokens take part in attention.</param>
internal sealed record AdapterStart(int Layer, AdapterParameters Parameters, AttentionReading Attention)
{
    /// <summary>What changes nothing: gates of zero, in the last layer alone.</summary>
    public static AdapterStart Neutral(FrozenModel model)
    {
        int last = model.Architecture.Layers - 1;
        return new AdapterStart(last, AdapterParameters.Initial(model.Shape(last, 1), 0), AttentionReading.Gated);
    }

    public static AdapterStart Of(FrozenModel model, FineTuningRequest request)
    {
        if (request.From is string folder)
        {
            return Of(model, model.LoadAdapter(folder, request.AnyBase));
        }
        TrainingOptions options = request.Options;
        int layer = options.Attention == AttentionReading.Concat ? 0 : Math.Min(options.StartLayer, model.Architecture.Layers - 1);
        return new AdapterStart(layer, AdapterParameters.Initial(model.Shape(layer, options.Tokens, options.Attention), options.Seed, options.TokenScale), options.Attention);
    }

    public static AdapterStart Of(FrozenModel model, Adapter adapter)
    {
        AttentionReading attention = adapter.Config.Attention == AdapterConfig.ConcatAttention ? AttentionReading.Concat : AttentionReading.Gated;
        AdapterShape shape = model.Shape(adapter.Config.StartLayer, adapter.Config.NumTokens, attention);
        return new AdapterStart(adapter.Config.StartLayer, new AdapterParameters(shape, adapter.Tokens.ToArray(), adapter.Gates.ToArray()), attention);
    }
}
