using Google.Protobuf;
using Microsoft.Win32.SafeHandles;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>Reads models: parses, links, and checks what later steps and native code rely on. Weights are not read.</summary>
public static class ModelLoader
{
    /// <summary>The largest .onnx file that is read: protobuf itself allows no more.</summary>
    public const long MaximumFileBytes = int.MaxValue;

    /// <summary>Loads a model from an .onnx file, or from the folder of a GenAI model.</summary>
    /// <exception cref="ModelRefusedException">The file is missing, damaged or unsafe.</exception>
    public static OnnxModel Load(string path) => Load(path, ExternalDataFiles.RequireSound);

    /// <summary>Loads what a model is made of: as <see cref="Load(string)"/>, but its data files may be missing, as where a large model's graph was fetched alone.</summary>
    /// <exception cref="ModelRefusedException">The file is missing, damaged or unsafe; data files that are there are checked as ever.</exception>
    public static OnnxModel LoadStructure(string path) => Load(path, ExternalDataFiles.RequireSoundWherePresent);

    private static OnnxModel Load(string path, Action<IEnumerable<TensorProto>, string> checkData)
    {
        string file = ModelPaths.FindOnnxFile(path);
        ModelProto proto = Parse(file);
        HeaderChecks.RequireSound(proto, file);
        TensorProto[] external = [.. Messages.Tensors(proto).Where(tensor => tensor.DataLocation == DataLocation.External)];
        OnnxModel model = FromProto(proto, file);
        checkData(external, file);
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
            throw NoGraph(path);
        }
        FunctionChecks.RequireSound(proto);
        FunctionExpansion.Apply(proto);
        HashSet<string> dataFiles = new(StringComparer.Ordinal);
        foreach (TensorProto tensor in Messages.Tensors(proto))
        {
            TensorChecks.RequireSound(tensor);
            if (tensor.DataLocation == DataLocation.External)
            {
                dataFiles.Add(ExternalData.Of(tensor).Location);
            }
        }
        OnnxGraph graph = GraphLinker.Link(proto.Graph, path is null ? null : Path.GetDirectoryName(Path.GetFullPath(path)));
        proto.Graph = null;
        foreach (Node node in graph.Nodes)
        {
            QuantisedWeightChecks.RequireSound(node);
        }
        return new OnnxModel(proto, graph, path, dataFiles);
    }

    private static ModelProto Parse(string file)
    {
        using SafeFileHandle handle = OrdinaryFile.Open(file);
        long length = RandomAccess.GetLength(handle);
        if (length > MaximumFileBytes)
        {
            throw new ModelRefusedException("The .onnx file is too large", file, $"{length} bytes", $"at most {MaximumFileBytes} bytes", "export the model with external data");
        }
        using FileStream stream = new(handle, FileAccess.Read);
        MemoryEstimate.RequireModest(stream, file);
        stream.Position = 0;
        try
        {
            ModelProto proto = ModelProto.Parser.ParseFrom(stream);
            return proto.Graph is null ? throw NoGraph(file) : proto;
        }
        catch (InvalidProtocolBufferException damaged)
        {
            throw new ModelRefusedException("The file is not an ONNX model, or it is cut off", file, damaged.Message, "a complete .onnx file", "copy or export the model again", damaged);
        }
    }

    private static ModelRefusedException NoGraph(string? file) => new(
        "The file holds no graph", file, remedy: "check that it is an .onnx file and not cut off");
}
