using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Gradients;

/// <summary>One operator with the shapes of its differentiated inputs and the values of its constant ones.</summary>
internal sealed class OperatorCase(string opType, string domain = "")
{
    private readonly List<(string Name, long[] Shape, bool Positive)> _inputs = [];
    private readonly List<TensorProto> _constants = [];
    private readonly List<string> _order = [];
    private readonly List<AttributeProto> _attributes = [];

    public int Outputs { get; init; } = 1;

    public IReadOnlyList<(string Name, long[] Shape, bool Positive)> Inputs => _inputs;

    public OperatorCase Input(params long[] shape) => Input(positive: false, shape);

    /// <summary>An input of values between 0.5 and 2, for operators that are not smooth at 0.</summary>
    public OperatorCase PositiveInput(params long[] shape) => Input(positive: true, shape);

    public OperatorCase Constant(params long[] numbers) => Constant(Tensor.Of($"c{_order.Count}", numbers, numbers.Length));

    public OperatorCase Constant(float[] numbers, params long[] shape) => Constant(Tensor.Of($"c{_order.Count}", numbers, shape));

    public OperatorCase Constant(bool[] bits, params long[] shape) => Constant(Tensor.Inline($"c{_order.Count}", DataType.Bool, [.. bits.Select(bit => bit ? (byte)1 : (byte)0)], shape));

    public OperatorCase Constant(TensorProto tensor)
    {
        _constants.Add(tensor);
        _order.Add(tensor.Name);
        return this;
    }

    public OperatorCase Attribute(AttributeProto attribute)
    {
        _attributes.Add(attribute);
        return this;
    }

    /// <summary>A model with the operator alone; or, with what it learns, with the backward pass that takes the gradient of the first output as input "dy".</summary>
    /// <param name="backward">Whether to differentiate.</param>
    /// <param name="declared">Whether the inputs declare their shapes.</param>
    public OnnxModel Build(bool backward, bool declared)
    {
        ModelProto proto = new() { IrVersion = 10, Graph = new GraphProto { Name = "operator" } };
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = 21 });
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = Domains.Microsoft, Version = 1 });
        OnnxModel model = ModelLoader.FromProto(proto);
        OnnxGraph graph = model.Graph;
        Value[] learnt = [.. _inputs.Select(input => graph.AddInput(input.Name, declared
            ? Shapes.Declare(DataType.Float, [.. input.Shape.Select(size => (Dimension)size)])
            : new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } }))];
        foreach (TensorProto constant in _constants)
        {
            graph.AddInitializer(constant);
        }
        string[] outputs = [.. Enumerable.Range(0, Outputs).Select(i => $"y{i}")];
        Node node = graph.AddNode(opType, domain, "tested", [.. _order.Select(name => graph.Find(name))], outputs, [.. _attributes]);
        TypeProto any = new() { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } };
        graph.AddOutput(node.Output, any);
        if (backward)
        {
            Value gradient = graph.AddInput("dy", any);
            GradientContext gradients = Differentiator.Differentiate(graph, node.Output, gradient, learnt);
            foreach (Value input in learnt)
            {
                graph.AddOutput(graph.AddNode("Identity", "", "", [gradients.GradientOf(input)], [$"d{input.Name}"]).Output, any);
            }
        }
        return model;
    }

    private OperatorCase Input(bool positive, long[] shape)
    {
        _inputs.Add(($"x{_order.Count}", shape, positive));
        _order.Add($"x{_order.Count}");
        return this;
    }
}
