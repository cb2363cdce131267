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

            Base model: {config.BaseModelNameOrPath} ({(config.BaseFingerprint.Length > 0 ? $"fingerprint {config.BaseFingerprint}" : "its weights are not known")}).

            """);
        if (config.Training is { DataFile.Length: > 0 } training)
        {
            card.Append(CultureInfo.InvariantCulture, $"""

                ## Training

                | | |
                |---|---|
                | recipe | {training.Recipe} |
                | steps | {training.Steps} |
                | seed | {training.Seed} |
                | data | {training.DataFile} (SHA-256 {training.DataHash}) |
                | rows | {training.DataRows}: {training.DataTokens} tokens, {training.LearntTokens} of them learnt |
                | loss of the last step | {Number(training.FinalLoss)} |
                | loss on held-out rows | {Number(training.EvalLoss)} |

                """);
        }
        else if (config.Training is { } origin)
        {
            card.Append(CultureInfo.InvariantCulture, $"""

                Origin: {origin.Recipe}{(origin.Steps > 0 ? $", {origin.Steps} step{(origin.Steps == 1 ? "" : "s")}" : "")}.

                """);
        }
        card.Append(CultureInfo.InvariantCulture, $"""

            ## How to use it

            ```sh
            aligner generate {config.BaseModelNameOrPath} --adapter . --prompt "..."
            aligner serve {config.BaseModelNameOrPath} --adapters ..
            ```

            `aligner adapter compile` makes the file that any ONNX Runtime GenAI application loads on the patched model.

            ## Limits

            It fits {config.BaseModelNameOrPath} only: a model of the same architecture ({config.NumLayers} layers, {config.NumHeads} query and {config.NumKvHeads} key/value heads of size {config.HeadDim}) and, unless `--any-base`
            says otherwise, the same weights. It changes the form of answers; what the model knows, and what it gets wrong, stays the base model's. A loss says
            how well it writes the rows it was measured on, not how good its answers are: `aligner eval` measures those.

            """);
        return card.ToString();
    }

    private static string Number(double? value) => value?.ToString("F4", CultureInfo.InvariantCulture) ?? "not measured";
}
