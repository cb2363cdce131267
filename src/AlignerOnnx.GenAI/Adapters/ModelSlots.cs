using AlignerOnnx.Graph;
using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.GenAI;

/// <summary>Reads a decoder's slots: initializers that are graph inputs too, which ONNX lets a caller override.</summary>
internal static class ModelSlots
{
    internal static IReadOnlyList<Slot> Read(string decoderPath)
    {
        ModelProto model = Parse(decoderPath);
        if (model.Graph is null)
        {
            throw new ModelRefusedException("The ONNX file holds no graph", decoderPath);
        }
        RefusePathsOutside(model.Graph, decoderPath);
        HashSet<string> initializers = [.. model.Graph.Initializer.Select(i => i.Name)];
        return [.. model.Graph.Input.Where(i => initializers.Contains(i.Name) && i.Type?.TensorType is not null).Select(ToSlot)];
    }

    private static ModelProto Parse(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return ModelProto.Parser.ParseFrom(stream);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new ModelRefusedException("Not an ONNX file", path, e.Message, "the ONNX protobuf format", inner: e);
        }
    }

    /// <summary>Weights outside the model folder would let a stranger's model read any file.</summary>
    private static void RefusePathsOutside(GraphProto graph, string decoderPath)
    {
        string folder = Path.GetDirectoryName(decoderPath)!;
        foreach (TensorProto tensor in graph.Initializer.Where(t => t.DataLocation == TensorProto.Types.DataLocation.External))
        {
            ExternalData.Of(tensor).Resolve(folder, tensor.Name);
        }
    }

    private static Slot ToSlot(ValueInfoProto input)
    {
        TypeProto.Types.Tensor type = input.Type.TensorType;
        IEnumerable<long> dimensions = type.Shape?.Dim.Select(d => d.ValueCase == TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue ? d.DimValue : -1) ?? [];
        return new Slot(input.Name, type.ElemType, [.. dimensions]);
    }
}
