using System.Globalization;
using System.Text;

namespace AlignerOnnx.Adapters;

/// <summary>The model card of an adapter: what it is, what it was trained on, how, and with what result.</summary>
internal static class ModelCard
{
    public static string Of(Adapter adapter)
    {
        AdapterConfig config = adapter.Config;
        StringBuilder card = new();
        card.Append(CultureInfo.InvariantCulture, $"""
            ---
            base_model: {config.BaseModelNameOrPath}
            library_name: aligner-onnx
            ---
            # Aligner adapter

            {config.NumTokens} token(s) of size {config.HiddenSize}, shared by layers {config.StartLayer} to {config.NumLayers - 1}{(config.GatedLayers > 0 ? $", and one gate for each of {config.NumHeads} heads a layer" : "")}:
            {(config.NumTokens * config.HiddenSize) + (config.GatedLayers * config.NumHeads)} trained numbers (method: arXiv 2312.05503, {config.Attention} attention).

            Base model: {config.BaseModelNameOrPath} (fingerprint {config.BaseFingerprint}).

            """);
        if (config.Training is { } training)
        {
            card.Append(CultureInfo.InvariantCulture, $"""

                | training | |
                |---|---|
                | recipe | {training.Recipe} |
                | steps | {training.Steps} |
                | data (SHA-256) | {training.DataHash} |
                | seed | {training.Seed} |
                | loss of the last step | {training.FinalLoss} |
                | evaluation loss | {training.EvalLoss} |

                """);
        }
        return card.ToString();
    }
}
