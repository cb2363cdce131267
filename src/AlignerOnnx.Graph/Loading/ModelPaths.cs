using System.Text.Json;

namespace AlignerOnnx.Graph;

/// <summary>Where the parts of a model lie.</summary>
public static class ModelPaths
{
    /// <summary>The configuration file of a GenAI model folder.</summary>
    public const string GenAIConfig = "genai_config.json";

    /// <summary>The .onnx file of a model: the file itself, the decoder that genai_config.json names, or the only .onnx file of a folder.</summary>
    /// <exception cref="ModelRefusedException">There is no such file, or more than one candidate.</exception>
    public static string FindOnnxFile(string path)
    {
        if (File.Exists(path))
        {
            return Path.GetFullPath(path);
        }
        if (!Directory.Exists(path))
        {
            throw new ModelRefusedException("The model does not exist", path, remedy: "name a model folder or an .onnx file");
        }
        string file = Path.Combine(path, DecoderName(path) ?? OnlyOnnxFile(path));
        return File.Exists(file)
            ? Path.GetFullPath(file)
            : throw new ModelRefusedException("The model folder lacks its .onnx file", path, $"no {Path.GetFileName(file)}", $"the decoder that {GenAIConfig} names", "copy the whole model folder");
    }

    private static string? DecoderName(string folder)
    {
        string config = Path.Combine(folder, GenAIConfig);
        if (!File.Exists(config))
        {
            return null;
        }
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(config));
            string? name = json.RootElement.GetProperty("model").GetProperty("decoder").GetProperty("filename").GetString();
            return name is null || Path.GetFileName(name) != name
                ? throw new ModelRefusedException("The decoder's file name leaves the model's folder", config, name, "a plain file name")
                : name;
        }
        catch (Exception malformed) when (malformed is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new ModelRefusedException("The model's configuration cannot be read", config, malformed.Message, "model.decoder.filename", "export the model again", malformed);
        }
    }

    private static string OnlyOnnxFile(string folder)
    {
        string[] files = Directory.GetFiles(folder, "*.onnx");
        return files.Length == 1
            ? files[0]
            : throw new ModelRefusedException("It is not clear which model of the folder is meant", folder, $"{files.Length} .onnx files and no {GenAIConfig}", "one .onnx file", "name the .onnx file itself");
    }
}
