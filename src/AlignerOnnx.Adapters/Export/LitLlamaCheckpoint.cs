using AlignerOnnx.Graph;

namespace AlignerOnnx.Adapters;

/// <summary>Writes an adapter as the method's authors keep theirs: a torch file whose layers name one tensor of tokens, in the code github.com/mytemporalaccount/Aligner, lit_llama/aligner.py.</summary>
public static class LitLlamaCheckpoint
{
    /// <summary>Writes the file, complete or not at all.</summary>
    /// <param name="adapter">A gated adapter; its numbers stay float32.</param>
    /// <param name="output">The <c>.pth</c> file.</param>
    /// <exception cref="AdapterRefusedException">The adapter is a concat adapter.</exception>
    public static void Write(Adapter adapter, string output)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        AdapterConfig config = adapter.Config;
        if (config.Attention != AdapterConfig.GatedAttention)
        {
            throw new AdapterRefusedException("The authors' code has no such adapters", $"adapter of {config.BaseModelNameOrPath}", config.Attention, AdapterConfig.GatedAttention, "keep it as it is: the folder's safetensors file can be read anywhere");
        }
        long[] shape = [config.NumTokens, config.HiddenSize];
        List<(string, long[], ReadOnlyMemory<float>)> tensors = [("global_value_embedding.weight", shape, adapter.Tokens)];
        for (int row = 0; row < config.AdaptedLayers; row++)
        {
            string attention = $"transformer.h.{config.StartLayer + row}.attn";
            tensors.Add(($"{attention}.gating_factor", [1, config.NumHeads, 1, 1], adapter.Gates.Slice(row * config.NumHeads, config.NumHeads)));
            tensors.Add(($"{attention}.adapter_wte.weight", shape, adapter.Tokens));
        }
        AtomicOutput.WriteFile(output, stream => TorchFileWriter.Write(stream, tensors));
    }
}
