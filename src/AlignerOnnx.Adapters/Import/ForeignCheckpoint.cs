using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>Makes adapters of checkpoints that other libraries wrote. What cannot be kept without loss is refused.</summary>
public static class ForeignCheckpoint
{
    private const string PeftType = "ADAPTION_PROMPT";
    private const string PeftSafetensors = AdapterPackage.TensorFile;
    private const string PeftTorch = "adapter_model.bin";
    private const long MaximumBytes = 64L << 20;
    private const long MaximumConfigBytes = 1 << 20;

    /// <summary>Reads a checkpoint.</summary>
    /// <param name="source">A file of the authors' lit-llama code, of lit-llama or of litgpt (<c>.pth</c>), or the folder of a PEFT <c>adaption_prompt</c> checkpoint.</param>
    /// <param name="model">The model that it was trained on, a folder or an .onnx file; null where there is none, then the adapter fits with <c>--any-base</c> alone.</param>
    /// <exception cref="AdapterRefusedException">It is damaged, of another kind, of another model, or is not one Aligner adapter.</exception>
    /// <exception cref="ModelRefusedException">The model cannot be read or recognised.</exception>
    public static Adapter Read(string source, string? model)
    {
        ForeignAdapter found = LayeredCheckpoint.Read(Directory.Exists(source) ? PeftTensors(source) : TorchFile.Read(source, MaximumBytes), source);
        if (model is null)
        {
            return found.WithoutModel(source);
        }
        IReadOnlyList<AttentionSite> sites = CompilationTarget.Of(model).Sites;
        return found.For(sites, model, source);
    }

    private static IReadOnlyDictionary<string, ForeignTensor> PeftTensors(string folder)
    {
        (int? tokens, int? layers) = PeftSizes(Path.Combine(folder, AdapterPackage.ConfigFile));
        string safetensors = Path.Combine(folder, PeftSafetensors);
        IReadOnlyDictionary<string, ForeignTensor> tensors = File.Exists(safetensors)
            ? SafetensorsFile.Read(safetensors, MaximumBytes).ToDictionary(tensor => tensor.Key, tensor => Foreign(tensor.Value, safetensors), StringComparer.Ordinal)
            : TorchFile.Read(Path.Combine(folder, PeftTorch), MaximumBytes);
        int found = tensors.Keys.Count(name => name.EndsWith(".adaption_prompt", StringComparison.Ordinal));
        ForeignTensor? wrong = tensors.FirstOrDefault(tensor => tensor.Key.EndsWith(".adaption_prompt", StringComparison.Ordinal) && tensors.Count > 0 && (tensor.Value.Shape.Count != 3 || tensor.Value.Shape[1] != tokens)).Value;
        return found == layers && wrong is null
            ? tensors
            : throw new AdapterRefusedException("The tensors do not fit their configuration", folder, $"{found} layers of prompts{(wrong is null ? "" : $", one of {wrong}")}", $"adapter_layers {layers} of adapter_len {tokens}", "get the checkpoint again");
    }

    private static ForeignTensor Foreign(SafetensorsTensor tensor, string file) => tensor.DataType is "F32" or "F16" or "BF16"
        ? new ForeignTensor(tensor.Shape, tensor.ToSingles())
        : throw new AdapterRefusedException("A tensor is of another type", file, $"'{tensor.Name}' of {tensor.DataType}", "F32, F16 or BF16", "save it in one of them");

    private static (int? Tokens, int? Layers) PeftSizes(string file)
    {
        FileInfo info = new(file);
        if (!info.Exists || info.Length > MaximumConfigBytes)
        {
            throw new AdapterRefusedException("The folder is not a checkpoint", file, info.Exists ? $"{info.Length} bytes" : "no such file", $"{AdapterPackage.ConfigFile} of at most {MaximumConfigBytes} bytes", "name the folder that PEFT saved");
        }
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(file), new JsonDocumentOptions { MaxDepth = 16 });
            string? type = json.RootElement.GetProperty("peft_type").GetString();
            return type == PeftType
                ? (json.RootElement.GetProperty("adapter_len").GetInt32(), json.RootElement.GetProperty("adapter_layers").GetInt32())
                : throw new AdapterRefusedException("This cannot be imported", file, $"peft_type {type}", PeftType,
                    type == "ALIGNER" ? "this is an adapter already: use it as it is" : "only adaption_prompt computes what an Aligner adapter does");
        }
        catch (Exception malformed) when (malformed is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new AdapterRefusedException("The checkpoint's configuration is malformed", file, malformed.Message, "peft_type, adapter_len and adapter_layers", "get the checkpoint again", malformed);
        }
    }
}
