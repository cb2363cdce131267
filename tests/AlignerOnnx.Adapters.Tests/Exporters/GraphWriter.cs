using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>Writes nodes one after another.</summary>
/// <param name="type">The type of activations.</param>
internal sealed class GraphWriter(DataType type)
{
    private readonly GraphProto _graph = new() { Name = "decoder" };
    private int _count;

    public DataType Type => type;

    /// <summary>Writes a node and gives the name of its output.</summary>
    public string Op(string operation, params string[] inputs) => Op(operation, inputs, attributes: []);

    public string Op(string operation, string[] inputs, params AttributeProto[] attributes) => Ops(operation, inputs, [$"v{_count}"], attributes)[0];

    /// <summary>Writes a node with named outputs; the domain stands before the last dot of the operator.</summary>
    public string[] Ops(string operation, string[] inputs, string[] outputs, params AttributeProto[] attributes)
    {
        int dot = operation.LastIndexOf('.');
        NodeProto node = new() { OpType = operation[(dot + 1)..], Domain = dot < 0 ? "" : operation[..dot], Name = $"n{_count++}" };
        node.Input.AddRange(inputs);
        node.Output.AddRange(outputs);
        node.Attribute.AddRange(attributes);
        _graph.Node.Add(node);
        return outputs;
    }

    /// <summary>Gives a value another name.</summary>
    public void Rename(string value, string name)
    {
        foreach (NodeProto node in _graph.Node)
        {
            for (int i = 0; i < node.Input.Count; i++)
            {
                node.Input[i] = node.Input[i] == value ? name : node.Input[i];
            }
            for (int i = 0; i < node.Output.Count; i++)
            {
                node.Output[i] = node.Output[i] == value ? name : node.Output[i];
            }
        }
    }

    /// <summary>New names for outputs.</summary>
    public string[] Names(int count) => [.. Enumerable.Range(0, count).Select(index => $"v{_count}_{index}")];

    /// <summary>Numbers of the graph's type.</summary>
    public string Floats(float[] numbers, params long[] shape) => Floats(numbers, type, shape);

    public string Floats(float[] numbers, DataType of, params long[] shape) => Tensor(of, FloatEncoding.ToBytes(numbers, of), shape);

    public string Number(double number) => Floats([(float)number], []);

    public string Integers(params long[] numbers) => Tensor(DataType.Int64, MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray(), numbers.Length);

    public string Integer(long number) => Tensor(DataType.Int64, BitConverter.GetBytes(number), []);

    public string Tensor(DataType of, byte[] bytes, params long[] shape)
    {
        string name = $"c{_graph.Initializer.Count}";
        _graph.Initializer.Add(AlignerOnnx.Graph.Tensor.Inline(name, of, bytes, shape));
        return name;
    }

    /// <summary>A Constant node.</summary>
    public string Constant(float[] numbers, params long[] shape) => Op("Constant", [], NodeAttributes.Of("value", AlignerOnnx.Graph.Tensor.Inline("", type, FloatEncoding.ToBytes(numbers, type), shape)));

    public string Input(string name, DataType of, params object[] shape)
    {
        _graph.Input.Add(Declare(name, of, shape));
        return name;
    }

    /// <summary>An input of two dimensions with a default of no rows or columns.</summary>
    public string Slot(string name, long rows, long columns)
    {
        _graph.Initializer.Add(AlignerOnnx.Graph.Tensor.Inline(name, type, [], rows, columns));
        return Input(name, type, rows > 0 ? rows : "rank", columns > 0 ? columns : "rank");
    }

    public void Output(string name, DataType of, params object[] shape) => _graph.Output.Add(Declare(name, of, shape));

    public OnnxModel Build(long irVersion, long opset)
    {
        ModelProto model = new() { IrVersion = irVersion, Graph = _graph, ProducerName = "test" };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opset });
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "com.microsoft", Version = 1 });
        return ModelLoader.FromProto(model);
    }

    private static ValueInfoProto Declare(string name, DataType of, object[] shape)
    {
        TensorShapeProto dimensions = new();
        dimensions.Dim.AddRange(shape.Select(size => size is string symbol ? new TensorShapeProto.Types.Dimension { DimParam = symbol } : new TensorShapeProto.Types.Dimension { DimValue = Convert.ToInt64(size, null) }));
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)of, Shape = dimensions } } };
    }
}
