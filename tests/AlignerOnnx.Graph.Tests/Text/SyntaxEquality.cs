using System.Runtime.InteropServices;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph.Tests.Text;

/// <summary>What two models that differ only in what the text syntax has no place for have in common.</summary>
internal static class SyntaxEquality
{
    /// <summary>A copy without documentation and metadata of parts, without empty names, and with the values of tensors in raw form.</summary>
    public static ModelProto Normalise(ModelProto model)
    {
        ModelProto copy = model.Clone();
        Normalise(copy.Graph);
        foreach (FunctionProto function in copy.Functions)
        {
            function.MetadataProps.Clear();
            Normalise(function.Node);
            Normalise(function.ValueInfo);
            Normalise(function.AttributeProto);
            Clear(function.Overload, function.ClearOverload);
            Clear(function.DocString, function.ClearDocString);
        }
        return copy;
    }

    private static void Normalise(GraphProto graph)
    {
        graph.ClearDocString();
        graph.MetadataProps.Clear();
        Normalise(graph.Input);
        Normalise(graph.Output);
        Normalise(graph.ValueInfo);
        Normalise(graph.Node);
        foreach (TensorProto tensor in graph.Initializer)
        {
            Normalise(tensor);
        }
    }

    private static void Normalise(RepeatedField<NodeProto> nodes)
    {
        foreach (NodeProto node in nodes)
        {
            node.ClearDocString();
            node.MetadataProps.Clear();
            Clear(node.Name, node.ClearName);
            Clear(node.Domain, node.ClearDomain);
            Clear(node.Overload, node.ClearOverload);
            Normalise(node.Attribute);
        }
    }

    private static void Normalise(RepeatedField<AttributeProto> attributes)
    {
        foreach (AttributeProto attribute in attributes)
        {
            attribute.ClearDocString();
            foreach (GraphProto graph in attribute.Graphs.Concat(attribute.G is null ? [] : [attribute.G]))
            {
                Normalise(graph);
            }
            foreach (TensorProto tensor in attribute.Tensors.Concat(attribute.T is null ? [] : [attribute.T]))
            {
                Normalise(tensor);
            }
        }
    }

    private static void Normalise(RepeatedField<ValueInfoProto> values)
    {
        foreach (ValueInfoProto value in values)
        {
            value.ClearDocString();
            value.MetadataProps.Clear();
            if (value.Type is { } type)
            {
                type.ClearDenotation();
                foreach (TensorShapeProto.Types.Dimension dimension in type.TensorType?.Shape?.Dim ?? [])
                {
                    dimension.ClearDenotation();
                }
                value.Type = type.ValueCase == TypeProto.ValueOneofCase.None ? null : type;
            }
        }
    }

    private static void Normalise(TensorProto tensor)
    {
        tensor.ClearDocString();
        tensor.MetadataProps.Clear();
        Clear(tensor.Name, tensor.ClearName);
        if (tensor.DataLocation == DataLocation.External || tensor.DataType == (int)DataType.String)
        {
            return;
        }
        if (!tensor.HasRawData)
        {
            // By the definition of the fields in onnx.proto, not by the code under test.
            byte[] raw = (DataType)tensor.DataType switch
            {
                DataType.Float or DataType.Complex64 => Bytes(tensor.FloatData),
                DataType.Double or DataType.Complex128 => Bytes(tensor.DoubleData),
                DataType.Int64 => Bytes(tensor.Int64Data),
                DataType.Uint64 => Bytes(tensor.Uint64Data),
                DataType.Uint32 => Bytes(tensor.Uint64Data.Select(number => (uint)number)),
                DataType.Int32 => Bytes(tensor.Int32Data),
                DataType.Int16 or DataType.Uint16 or DataType.Float16 or DataType.Bfloat16 => Bytes(tensor.Int32Data.Select(number => (ushort)number)),
                _ => Bytes(tensor.Int32Data.Select(number => (byte)number)),
            };
            tensor.RawData = ByteString.CopyFrom(raw);
        }
        tensor.FloatData.Clear();
        tensor.DoubleData.Clear();
        tensor.Int32Data.Clear();
        tensor.Int64Data.Clear();
        tensor.Uint64Data.Clear();
        tensor.DataLocation = DataLocation.Default;
        tensor.ClearDataLocation();
    }

    private static byte[] Bytes<T>(IEnumerable<T> values)
        where T : unmanaged => MemoryMarshal.AsBytes(values.ToArray().AsSpan()).ToArray();

    private static void Clear(string text, Action clear)
    {
        if (text.Length == 0)
        {
            clear();
        }
    }
}
