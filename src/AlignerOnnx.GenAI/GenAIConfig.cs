using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.GenAI;

/// <summary>The facts of a model folder's genai_config.json that this library needs, checked before any native code sees the folder.</summary>
internal sealed record GenAIConfig(string DecoderPath, int ContextLength, int MaxLength, int VocabularySize, int? EndOfTextId)
{
    /// <summary>Threads of one operator; null for the runtime's own choice.</summary>
    internal int? Threads { get; init; }

    /// <summary>Whether choosing tokens looks at the prompt: penalties of repetition, a least length.</summary>
    internal bool SearchReadsPrompt { get; private init; }

    /// <summary>Whether tokens are drawn where a request does not say so.</summary>
    internal bool Samples { get; private init; }

    /// <summary>Why only GenAI itself can run the model: another device than the CPU, more than one graph, several beams; null where nothing stands against it.</summary>
    internal string? Obstacle { get; private init; }

    private const string FileName = "genai_config.json";
    private const long LargestFile = 16 << 20;

    internal static GenAIConfig Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        RequireFolder(folder, path);
        try
        {
            using FileStream stream = File.OpenRead(path);
            using JsonDocument document = JsonDocument.Parse(stream);
            RefuseForeignCode(document.RootElement, path);
            return FromJson(document.RootElement, folder, path);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ModelRefusedException($"{FileName} is not a GenAI configuration", path, e.Message,
                "model.decoder.filename, model.context_length and model.vocab_size", "Export the model with the ONNX Runtime GenAI model builder", e);
        }
    }

    private static GenAIConfig FromJson(JsonElement root, string folder, string path)
    {
        JsonElement model = root.GetProperty("model");
        string file = model.GetProperty("decoder").GetProperty("filename").GetString() ?? "";
        int context = model.GetProperty("context_length").GetInt32();
        int longest = root.TryGetProperty("search", out JsonElement search) && search.TryGetProperty("max_length", out JsonElement length)
            ? length.GetInt32()
            : context;
        if (context < 2 || longest < 2)
        {
            throw new ModelRefusedException("The context is too short to generate anything", path, $"{Math.Min(context, longest)} tokens", "2 or more");
        }
        return new GenAIConfig(DecoderInside(folder, file, path), context, Math.Min(context, longest), model.GetProperty("vocab_size").GetInt32(), EndOfText(model))
        {
            Threads = Session(model) is { } session && session.TryGetProperty("intra_op_num_threads", out JsonElement threads) ? threads.GetInt32() : null,
            SearchReadsPrompt = Search(search, "repetition_penalty", 1) != 1 || Search(search, "min_length", 0) != 0 || Search(search, "no_repeat_ngram_size", 0) != 0,
            Samples = search.ValueKind == JsonValueKind.Object && search.TryGetProperty("do_sample", out JsonElement samples) && samples.ValueKind == JsonValueKind.True,
            Obstacle = ObstacleOf(model, search),
        };
    }

    /// <summary>The token that ends a text; of several, the first.</summary>
    private static int? EndOfText(JsonElement model)
    {
        if (!model.TryGetProperty("eos_token_id", out JsonElement end))
        {
            return null;
        }
        return end.ValueKind == JsonValueKind.Array ? (end.GetArrayLength() > 0 ? end[0].GetInt32() : null) : end.GetInt32();
    }

    private static string? ObstacleOf(JsonElement model, JsonElement search) =>
        Session(model) is { } session && session.TryGetProperty("provider_options", out JsonElement providers) && providers.ValueKind == JsonValueKind.Array && providers.GetArrayLength() > 0 ? "it runs on another device than the CPU"
        : model.EnumerateObject().Select(part => part.Name).FirstOrDefault(part => part is "vision" or "speech" or "embedding" or "encoder") is { } other ? $"it has a graph for {other}"
        : model.GetProperty("decoder").TryGetProperty("pipeline", out _) ? "its decoder is a pipeline of graphs"
        : model.GetProperty("decoder").TryGetProperty("sliding_window", out _) ? "its prompts are padded to a window"
        : Search(search, "num_beams", 1) != 1 ? "it searches with several beams"
        : null;

    private static JsonElement? Session(JsonElement model) => model.GetProperty("decoder").TryGetProperty("session_options", out JsonElement session) ? session : null;

    private static double Search(JsonElement search, string option, double standard) =>
        search.ValueKind == JsonValueKind.Object && search.TryGetProperty(option, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : standard;

    private static string DecoderInside(string folder, string file, string path)
    {
        if (file.Length == 0 || Path.GetFileName(file) != file || file is "." or "..")
        {
            throw new ModelRefusedException("The decoder must be a file of the model folder", path, $"model.decoder.filename = \"{file}\"", "a file name without folders");
        }
        string decoder = Path.Combine(folder, file);
        return File.Exists(decoder) ? decoder : throw new ModelRefusedException("The decoder's file is missing", decoder, remedy: "Copy the whole model folder");
    }

    private static void RequireFolder(string folder, string path)
    {
        if (!File.Exists(path))
        {
            throw new ModelRefusedException("Not a GenAI model folder", folder, Directory.Exists(folder) ? $"no {FileName}" : "no such folder",
                $"a folder with {FileName}, a tokenizer and an ONNX file", "Name the folder that the ONNX Runtime GenAI model builder wrote");
        }
        if (new FileInfo(path).Length > LargestFile)
        {
            throw new ModelRefusedException($"{FileName} is too large", path, $"{new FileInfo(path).Length} bytes", $"at most {LargestFile} bytes");
        }
    }

    /// <summary>A model folder is data; one that asks for a library to be loaded would run a stranger's code.</summary>
    private static void RefuseForeignCode(JsonElement element, string path)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in element.EnumerateArray())
            {
                RefuseForeignCode(item, path);
            }
        }
        if (element.ValueKind != JsonValueKind.Object)
        {
            return;
        }
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (property.Name.Contains("library", StringComparison.OrdinalIgnoreCase))
            {
                throw new ModelRefusedException("The configuration asks for a native library", path, property.Name, "data only",
                    "Remove that entry if the model does not need it");
            }
            RefuseForeignCode(property.Value, path);
        }
    }
}
