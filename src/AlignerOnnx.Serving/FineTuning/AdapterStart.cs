using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Where training starts.</summary>
/// <param name="Layer">The first adapted layer.</param>
/// <param name="Parameters">Tokens and gates.</param>
internal sealed record AdapterStart(int Layer, AdapterParameters Parameters)
{
    public static AdapterStart Of(FrozenModel model, FineTuningRequest request)
    {
        if (request.From is string folder)
        {
            return Of(model, model.LoadAdapter(folder, request.AnyBase));
        }
        TrainingOptions options = request.Options;
        int layer = Math.Min(options.StartLayer, model.Architecture.Layers - 1);
        return new AdapterStart(layer, AdapterParameters.Initial(model.Shape(layer, options.Tokens), options.Seed, options.TokenScale));
    }

    public static AdapterStart Of(FrozenModel model, Adapter adapter)
    {
        AdapterShape shape = model.Shape(adapter.Config.StartLayer, adapter.Config.NumTokens);
        return new AdapterStart(adapter.Config.StartLayer, new AdapterParameters(shape, adapter.Tokens.ToArray(), adapter.Gates.ToArray()));
    }
}
