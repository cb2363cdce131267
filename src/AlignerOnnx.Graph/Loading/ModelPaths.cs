using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.Graph;

/// <summary>Where the parts of a model lie.</summary>
public static class ModelPaths
{
    /// <summary>The configuration file of a GenAI model folder.</summary>
    public const string GenAIConfig = "genai_config.json";

    private const long LargestConfig = 16 << 20;

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
        string file = DecoderName(path) is { } decoder ? Path.Combine(path, decoder) : OnlyOnnxFile(path);
        return File.Exists(file)
            ? Path.GetFullPath(file)
            : throw new ModelRefusedException("The model folder lacks its .onnx file", path, $"no {Path.GetFileName(file)}", $"the decoder that {GenAIConfig} names", "copy the whole model folder");
    }

    /// <summary>Refuses an output inside a base model's folder, which is never written to. Beside a single .onnx file, in a folder of other things, an output may lie.</summary>
    /// <param name="model">A model folder or an .onnx file.</param>
    /// <param name="output">The folder to make.</param>
    /// <exception cref="ModelRefusedException">The output would lie inside, links followed; or there is no such model.</exception>
    public static void RequireOutside(string model, string output)
    {
        string folder = Path.GetDirectoryName(FindOnnxFile(model))!;
        if ((Directory.Exists(model) || File.Exists(Path.Combine(folder, GenAIConfig))) && RealPath.IsInside(output, folder))
        {
            throw new ModelRefusedException("The output would lie in the folder of the base model, which is never written to", folder, output, "a folder outside of it", "name another output");
        }
    }

    private static string? DecoderName(string folder)
    {
        string config = Path.Combine(folder, GenAIConfig);
        if (!Path.Exists(config))
        {
            return null;
        }
        try
        {
            using JsonDocument json = JsonDocument.Parse(ReadConfig(config));
            string? name = json.RootElement.GetProperty("model").GetProperty("decoder").GetProperty("filename").GetString();
            return string.IsNullOrEmpty(name) || Path.GetFileName(name) != name || name is "." or ".." || name.Any(letter => letter == '\\' || char.IsControl(letter))
                ? throw new ModelRefusedException("The decoder's file name leaves the model's folder", config, $"model.decoder.filename = {JsonSerializer.Serialize(name)}", "a plain file name", "do not use this model unless you know who made it")
                : name;
        }
        catch (Exception malformed) when (malformed is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new ModelRefusedException("The model's configuration cannot be read", config, malformed.Message, "model.decoder.filename", "export the model again", malformed);
        }
    }

    private static byte[] ReadConfig(string config)
    {
        using SafeFileHandle handle = OrdinaryFile.Open(config);
        if (RandomAccess.GetLength(handle) > LargestConfig)
        {
            throw new ModelRefusedException("The model's configuration is too large", config, $"{RandomAccess.GetLength(handle)} bytes", $"at most {LargestConfig} bytes", "export the model again");
        }
        using FileStream stream = new(handle, FileAccess.Read);
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static string OnlyOnnxFile(string folder)
    {
        string[] files = Directory.GetFiles(folder, "*.onnx");
        return files.Length == 1
            ? files[0]
            : throw new ModelRefusedException("It is not clear which model of the folder is meant", folder, $"{files.Length} .onnx files and no {GenAIConfig}", "one .onnx file", "name the .onnx file itself");
    }
}
