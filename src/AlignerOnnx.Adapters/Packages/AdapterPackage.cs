using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Adapters;

/// <summary>An adapter as a folder: <c>adapter_model.safetensors</c>, <c>adapter_config.json</c>, <c>README.md</c>.</summary>
public static class AdapterPackage
{
    /// <summary>The file of tokens and gates.</summary>
    public const string TensorFile = "adapter_model.safetensors";

    /// <summary>The file of facts.</summary>
    public const string ConfigFile = "adapter_config.json";

    private const string Tokens = "tokens";
    private const string Gates = "gates";
    private const long MaximumTensorBytes = 64L << 20;
    private const long MaximumConfigBytes = 1 << 20;
    private const int MaximumSize = 1 << 20;

    /// <summary>Writes the folder, complete or not at all.</summary>
    /// <exception cref="IOException">The folder exists and is not empty.</exception>
    public static void Save(Adapter adapter, string folder)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        AdapterConfig config = adapter.Config;
        AtomicOutput.MakeFolder(folder, temporary =>
        {
            using (FileStream tensors = File.Create(Path.Combine(temporary, TensorFile)))
            {
                SafetensorsFile.Write(tensors, TensorsOf(adapter));
            }
            File.WriteAllBytes(Path.Combine(temporary, ConfigFile), JsonSerializer.SerializeToUtf8Bytes(config, AdapterConfigJson.Default.AdapterConfig));
            File.WriteAllText(Path.Combine(temporary, "README.md"), ModelCard.Of(adapter));
        });
    }

    /// <summary>Reads a folder.</summary>
    /// <exception cref="AdapterRefusedException">A file is missing, damaged, too large, or its content does not fit together.</exception>
    public static Adapter Load(string folder)
    {
        AdapterConfig config = LoadConfig(Path.Combine(folder, ConfigFile));
        string file = Path.Combine(folder, TensorFile);
        IReadOnlyDictionary<string, SafetensorsTensor> tensors = SafetensorsFile.Read(file, MaximumTensorBytes);
        bool hasGates = config.GatedLayers > 0 || tensors.ContainsKey(Gates);
        if (tensors.Count != (hasGates ? 2 : 1))
        {
            throw new AdapterRefusedException("The adapter holds other tensors than its own", file, string.Join(", ", tensors.Keys), hasGates ? "tokens, gates" : "tokens", "get the adapter again");
        }
        float[] tokens = Numbers(tensors, file, Tokens, config.NumTokens, config.HiddenSize);
        float[] gates = hasGates ? Numbers(tensors, file, Gates, config.AdaptedLayers, config.NumHeads) : [];
        return new Adapter(config, tokens, config.GatedLayers > 0 ? gates : []);
    }

    /// <summary>Concat attention has no gates; a file of such an adapter may hold some, which are checked and left.</summary>
    private static SafetensorsTensor[] TensorsOf(Adapter adapter)
    {
        AdapterConfig config = adapter.Config;
        SafetensorsTensor tokens = SafetensorsTensor.Of(Tokens, adapter.Tokens.Span, config.NumTokens, config.HiddenSize);
        return config.GatedLayers == 0 ? [tokens] : [tokens, SafetensorsTensor.Of(Gates, adapter.Gates.Span, config.GatedLayers, config.NumHeads)];
    }

    private static AdapterConfig LoadConfig(string file)
    {
        if (Path.GetDirectoryName(file) is { } folder && File.Exists(folder))
        {
            throw new AdapterRefusedException("The adapter is a file, not a folder", folder, null, "an adapter folder, whose tokens and gates are asked for; a compiled adapter (.onnx_adapter) has none",
                "name the folder that the file was compiled from");
        }
        FileInfo info = new(file);
        if (!info.Exists || info.Length > MaximumConfigBytes)
        {
            throw new AdapterRefusedException("The folder is not an adapter", file, info.Exists ? $"{info.Length} bytes" : "no such file", $"{ConfigFile} of at most {MaximumConfigBytes} bytes", "name the adapter's folder");
        }
        try
        {
            AdapterConfig config = JsonSerializer.Deserialize(File.ReadAllBytes(file), AdapterConfigJson.Default.AdapterConfig) ?? throw new JsonException("null");
            RequireSound(config, file);
            return config;
        }
        catch (JsonException malformed)
        {
            throw new AdapterRefusedException("The adapter's configuration is malformed", file, malformed.Message, "the keys of format version 1", "get the adapter again", malformed);
        }
    }

    private static void RequireSound(AdapterConfig config, string file)
    {
        string? wrong =
            config.PeftType != "ALIGNER" ? $"peft_type {config.PeftType}"
            : config.FormatVersion != 1 ? $"format_version {config.FormatVersion}"
            : config.Attention is not (AdapterConfig.GatedAttention or AdapterConfig.ConcatAttention) ? $"attention {config.Attention}"
            : config.NumTokens is < 1 or > 4096 ? $"num_tokens {config.NumTokens}"
            : config.NumLayers is < 1 or > 4096 || config.StartLayer < 0 || config.StartLayer >= config.NumLayers ? $"start_layer {config.StartLayer} of num_layers {config.NumLayers}"
            : config is { Attention: AdapterConfig.ConcatAttention, StartLayer: > 0 } ? $"start_layer {config.StartLayer} of concat attention"
            : config.HiddenSize is < 1 or > MaximumSize || config.HeadDim is < 1 or > MaximumSize ? $"hidden_size {config.HiddenSize}, head_dim {config.HeadDim}"
            : config.NumHeads is < 1 or > 4096 || config.NumKvHeads < 1 || config.NumHeads % config.NumKvHeads != 0 ? $"num_heads {config.NumHeads}, num_kv_heads {config.NumKvHeads}"
            : null;
        if (wrong is not null)
        {
            throw new AdapterRefusedException("The adapter's configuration cannot be used", file, wrong, "peft_type ALIGNER, format_version 1, gated or concat, sizes of one model", "use a newer version of this tool, or get the adapter again");
        }
    }

    private static float[] Numbers(IReadOnlyDictionary<string, SafetensorsTensor> tensors, string file, string name, long rows, long columns)
    {
        if (!tensors.TryGetValue(name, out SafetensorsTensor? tensor) || tensor.DataType != "F32" || !tensor.Shape.SequenceEqual([rows, columns]))
        {
            throw new AdapterRefusedException($"The adapter's {name} do not fit its configuration", file, tensor is null ? "absent" : $"{tensor.DataType} [{string.Join(',', tensor.Shape)}]", $"F32 [{rows},{columns}]", "get the adapter again");
        }
        float[] numbers = tensor.ToSingles();
        int bad = Array.FindIndex(numbers, number => !float.IsFinite(number));
        return bad < 0
            ? numbers
            : throw new AdapterRefusedException($"The adapter's {name} are not finite", $"{file}, element {bad}", $"{numbers[bad]}", "finite numbers", "train it again; the training diverged");
    }
}
