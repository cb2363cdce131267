using CsCheck;
using Google.Protobuf;
using Onnx;
using static Onnx.AttributeProto.Types;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph.Tests.Text;

/// <summary>Random models of everything that the text syntax has a place for; they follow the schema, not the operators.</summary>
internal static class RandomModels
{
    private static readonly Gen<string> Name = Gen.OneOf(
        Gen.Char.AlphaNumeric.Array[1, 4].Select(letters => new string(letters)),
        Gen.OneOf("/model/layers.0/attn", "a b", "say \"x\"", "back\\slash", "new\nline", "#", "Größe", "float", "seq", "nan", "Infinity", "_", "="));

    private static readonly Gen<TensorShapeProto.Types.Dimension> Dimension = Gen.OneOf(
        Gen.Long.Select(size => new TensorShapeProto.Types.Dimension { DimValue = size }),
        Gen.OneOf(Name, Gen.Const("")).Select(symbol => new TensorShapeProto.Types.Dimension { DimParam = symbol }),
        Gen.Const(() => new TensorShapeProto.Types.Dimension()));

    private static readonly Gen<int> ElementType = Gen.Enum<DataType>().Select(type => (int)type);

    private static readonly Gen<TensorShapeProto?> Shape = Gen.OneOf(Gen.Const(() => (TensorShapeProto?)null), Dimension.Array[0, 3].Select(dimensions => (TensorShapeProto?)new TensorShapeProto { Dim = { dimensions } }))
        .Select(shape => shape);

    private static readonly Gen<TypeProto> Type = Gen.Recursive<TypeProto>((depth, inner) => depth > 3 ? TensorType : Gen.OneOf(
        TensorType,
        inner.Select(element => new TypeProto { SequenceType = new TypeProto.Types.Sequence { ElemType = element } }),
        inner.Select(element => new TypeProto { OptionalType = new TypeProto.Types.Optional { ElemType = element } }),
        Gen.Select(ElementType, inner, (key, value) => new TypeProto { MapType = new TypeProto.Types.Map { KeyType = key, ValueType = value } }),
        Gen.Select(ElementType, Shape, (type, shape) => new TypeProto { SparseTensorType = new TypeProto.Types.SparseTensor { ElemType = type, Shape = shape } })));

    private static readonly Gen<float> Number = Gen.OneOf(Gen.Float, Gen.OneOf(0f, -0f, 1f, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, float.MaxValue));

    private static readonly Gen<ValueInfoProto> Value = Gen.Select(Name, Gen.OneOf(Gen.Const(() => (TypeProto?)null), Type.Select(type => (TypeProto?)type)), (name, type) => new ValueInfoProto { Name = name, Type = type });

    private static readonly Gen<TensorProto> Tensor = Gen.OneOf(RawTensor, StringTensor, ExternalTensor);

    private static readonly Gen<GraphProto> Graph = Gen.Recursive<GraphProto>((depth, inner) => Gen.Select(
        Name, Value.Array[0, 6], Value.Array[0, 3], Tensor.Array[0, 3], Value.Array[0, 3], Node(depth > 2 ? null : inner).Array[0, 3],
        (name, inputs, outputs, initializers, values, nodes) => new GraphProto
        {
            Name = name, Input = { inputs }, Output = { outputs }, Initializer = { initializers }, ValueInfo = { values }, Node = { nodes },
        }));

    private static readonly Gen<FunctionProto> Function = Gen.Select(Name, Name.Array[0, 3], Attribute(null).Array[0, 2], Name.Array[0, 3], Value.Array[0, 3], Node(null).Array[0, 2],
        (name, attributes, defaults, inputs, values, nodes) => new FunctionProto
        {
            Name = name, Domain = name, Overload = name, DocString = name, Attribute = { attributes }, AttributeProto = { defaults }, Input = { inputs }, Output = { inputs },
            ValueInfo = { values }, Node = { nodes },
        });

    /// <summary>A model.</summary>
    public static readonly Gen<ModelProto> Model = Gen.Select(Gen.Long, Name.Array[0, 2], Name, Graph, Function.Array[0, 2], (version, domains, text, graph, functions) =>
    {
        ModelProto model = new() { IrVersion = version, ProducerName = text, ProducerVersion = text, Domain = text, ModelVersion = version, DocString = text, Graph = graph, Functions = { functions } };
        model.OpsetImport.AddRange(domains.Select(domain => new OperatorSetIdProto { Domain = domain, Version = version }));
        model.MetadataProps.AddRange(domains.Select(domain => new StringStringEntryProto { Key = domain, Value = text }));
        return model;
    });

    private static Gen<TypeProto> TensorType => Gen.Select(ElementType, Shape, (type, shape) => new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = type, Shape = shape } });

    /// <summary>Any bytes are a tensor of these types; floats are drawn apart, as a NaN has a payload that text has not.</summary>
    private static Gen<TensorProto> RawTensor => Gen.Select(
        Gen.Enum<DataType>().Where(type => type is not (DataType.Undefined or DataType.String)), Gen.Int[0, 3].Array[0, 2], Number.Array[36], Gen.Byte.Array[144], Gen.OneOf(Name, Gen.Const("")),
        (type, shape, numbers, bytes, name) =>
        {
            long count = shape.Aggregate(1L, (product, size) => product * size);
            byte[] source = type switch
            {
                DataType.Float or DataType.Complex64 => [.. numbers.SelectMany(BitConverter.GetBytes)],
                DataType.Double or DataType.Complex128 => [.. numbers.SelectMany(number => BitConverter.GetBytes((double)number))],
                _ => bytes,
            };
            TensorProto tensor = new() { Name = name, DataType = (int)type, RawData = ByteString.CopyFrom(source, 0, (int)ElementTypes.ByteLength(type, count)) };
            tensor.Dims.AddRange(shape.Select(size => (long)size));
            return tensor;
        });

    private static Gen<TensorProto> StringTensor => Name.Array[0, 3].Select(texts =>
        new TensorProto { DataType = (int)DataType.String, Dims = { texts.Length }, StringData = { texts.Select(ByteString.CopyFromUtf8) } });

    private static Gen<TensorProto> ExternalTensor => Gen.Select(Name, Name.Array[0, 3], (name, entries) =>
    {
        TensorProto tensor = new() { Name = name, DataType = (int)DataType.Float, Dims = { 2 }, DataLocation = DataLocation.External };
        tensor.ExternalData.AddRange(entries.Select(entry => new StringStringEntryProto { Key = entry, Value = entry }));
        return tensor;
    });

    private static Gen<NodeProto> Node(Gen<GraphProto>? graph) => Gen.Select(
        Gen.OneOf(Name, Gen.Const("")), Gen.OneOf(Name, Gen.OneOf("", "com.microsoft")), Name, Gen.OneOf(Name, Gen.Const("")).Array[0, 3], Gen.OneOf(Name, Gen.Const("")).Array[0, 3], Attribute(graph).Array[0, 3],
        (name, domain, type, inputs, outputs, attributes) => new NodeProto
        {
            Name = name, Domain = domain, OpType = type, Overload = name, Input = { inputs }, Output = { outputs }, Attribute = { attributes },
        });

    private static Gen<AttributeProto> Attribute(Gen<GraphProto>? graph) => Gen.Select(Name, AttributeValue(graph), (name, value) =>
    {
        AttributeProto attribute = value.Clone();
        attribute.Name = name;
        return attribute;
    });

    private static Gen<AttributeProto> AttributeValue(Gen<GraphProto>? graph)
    {
        List<Gen<AttributeProto>> kinds =
        [
            Gen.Long.Select(value => new AttributeProto { Type = AttributeType.Int, I = value }),
            Number.Select(value => new AttributeProto { Type = AttributeType.Float, F = value }),
            Name.Select(value => new AttributeProto { Type = AttributeType.String, S = ByteString.CopyFromUtf8(value) }),
            Tensor.Select(value => new AttributeProto { Type = AttributeType.Tensor, T = value }),
            Type.Select(value => new AttributeProto { Type = AttributeType.TypeProto, Tp = value }),
            Gen.Long.Array[0, 3].Select(values => new AttributeProto { Type = AttributeType.Ints, Ints = { values } }),
            Number.Array[0, 3].Select(values => new AttributeProto { Type = AttributeType.Floats, Floats = { values } }),
            Name.Array[0, 3].Select(values => new AttributeProto { Type = AttributeType.Strings, Strings = { values.Select(ByteString.CopyFromUtf8) } }),
            Tensor.Array[0, 3].Select(values => new AttributeProto { Type = AttributeType.Tensors, Tensors = { values } }),
            Type.Array[0, 3].Select(values => new AttributeProto { Type = AttributeType.TypeProtos, TypeProtos = { values } }),
            Name.Select(name => new AttributeProto { Type = AttributeType.Ints, RefAttrName = name }),
        ];
        if (graph is not null)
        {
            kinds.Add(graph.Select(value => new AttributeProto { Type = AttributeType.Graph, G = value }));
            kinds.Add(graph.Array[0, 2].Select(values => new AttributeProto { Type = AttributeType.Graphs, Graphs = { values } }));
        }
        return Gen.OneOf([.. kinds]);
    }
}
