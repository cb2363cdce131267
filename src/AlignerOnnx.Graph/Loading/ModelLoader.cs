using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Reads models: parses, links, and checks what later steps rely on. Weights are not read.</summary>
public static class ModelLoader
{
    /// <summary>The largest .onnx file that is read: protobuf itself allows no more.</summary>
    public const long MaximumFileBytes = int.MaxValue;

    /// <summary>Loads a model from an .onnx file, or from the folder of a GenAI model.</summary>
    /// <exception cref="ModelRefusedException">The file is missing, damaged or unsafe.</exception>
    public static OnnxModel Load(string path)
    {
        string file = ModelPaths.FindOnnxFile(path);
        OnnxModel model = FromProto(Parse(file), file);
        string folder = Path.GetDirectoryName(file)!;
        foreach (Tensor tensor in model.Graph.Values.Select(value => value.Initializer).OfType<Tensor>().Where(tensor => tensor.IsExternal))
        {
            ExternalData.Of(tensor.Proto).Resolve(folder, tensor.Proto.Name);
        }
        return model;
    }

    /// <summary>Links a model that is already in memory; the message must not be used afterwards.</summary>
    /// <param name="proto">The model.</param>
    /// <param name="path">The .onnx file whose folder holds the external data; null where there is none.</param>
    /// <exception cref="ModelRefusedException">The graph is malformed.</exception>
    public static OnnxModel FromProto(ModelProto proto, string? path = null)
    {
        ArgumentNullException.ThrowIfNull(proto);
        if (proto.Graph is null)
        {
            throw new ModelRefusedException("The file holds no graph", path, remedy: "check that it is an .onnx file and not cut off");
        }
        OnnxGraph graph = GraphLinker.Link(proto.Graph, path is null ? null : Path.GetDirectoryName(Path.GetFullPath(path)));
        proto.Graph = null;
        return new OnnxModel(proto, graph, path);
    }

    private static ModelProto Parse(string file)
    {
        FileInfo info = new(file);
        if (info.Length > MaximumFileBytes)
        {
            throw new ModelRefusedException("The .onnx file is too large", file, $"{info.Length} bytes", $"at most {MaximumFileBytes} bytes", "export the model with external data");
        }
        try
        {
            using FileStream stream = File.OpenRead(file);
            return ModelProto.Parser.ParseFrom(stream);
        }
        catch (InvalidProtocolBufferException damaged)
        {
            throw new ModelRefusedException("The file is not an ONNX model, or it is cut off", file, damaged.Message, "a complete .onnx file", "copy or export the model again", damaged);
        }
    }
}
