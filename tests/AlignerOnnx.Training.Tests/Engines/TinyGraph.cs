using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.Training.Tests;

/// <summary>
/// The smallest graph of the contract: the logits after token x are row x of a table plus gate * token, so loss and gradients have a closed form.
/// The table [V, V] is external data, as a real model's weights are; d = V, n = L' = H = 1.
/// </summary>
internal static class TinyGraph
{
    public const int Vocabulary = 5;

    public static float[] Table { get; } = [.. Enumerable.Range(0, Vocabulary * Vocabulary).Select(i => (float)Math.Sin(1.7 * i))];

    public static AdapterShape Shape { get; } = new(1, Vocabulary, 1, 1);

    public static void WriteWeights(string folder) =>
        File.WriteAllBytes(Path.Combine(folder, "table.data"), System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(Table).ToArray());

    public static byte[] Gradient(string loss = GradientGraphNames.Loss) => Build(gradients: true, loss);

    public static byte[] Evaluation() => Build(gradients: false, GradientGraphNames.Loss);

    private static byte[] Build(bool gradients, string loss)
    {
        GraphProto graph = new() { Name = "tiny" };
        AddInputs(graph);
        AddConstants(graph);
        AddLoss(graph, loss);
        if (gradients)
        {
            AddGradients(graph);
        }
        ModelProto model = new() { IrVersion = 10, Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = 21 });
        return model.ToByteArray();
    }

    private static void AddInputs(GraphProto graph)
    {
        graph.Input.Add(Value("input_ids", TensorProto.Types.DataType.Int64, "b", "s"));
        graph.Input.Add(Value("attention_mask", TensorProto.Types.DataType.Int64, "b", "s"));
        graph.Input.Add(Value("target_positions", TensorProto.Types.DataType.Int64, "m"));
        graph.Input.Add(Value("target_ids", TensorProto.Types.DataType.Int64, "m"));
        graph.Input.Add(Value("target_weights", TensorProto.Types.DataType.Float, "m"));
        graph.Input.Add(Value("aligner.tokens", TensorProto.Types.DataType.Float, "1", "5"));
        graph.Input.Add(Value("aligner.gates", TensorProto.Types.DataType.Float, "1", "1"));
    }

    private static void AddConstants(GraphProto graph)
    {
        TensorProto table = new() { Name = "table", DataType = (int)TensorProto.Types.DataType.Float, DataLocation = TensorProto.Types.DataLocation.External };
        table.Dims.Add([Vocabulary, Vocabulary]);
        table.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = "table.data" });
        graph.Initializer.Add(table);
        graph.Initializer.Add(Integers("flat", -1));
        graph.Initializer.Add(Integers("axis0", 0));
        graph.Initializer.Add(Integers("axis1", 1));
        graph.Initializer.Add(Integers("depth", Vocabulary));
        TensorProto offOn = new() { Name = "off_on", DataType = (int)TensorProto.Types.DataType.Float };
        offOn.Dims.Add(2);
        offOn.FloatData.Add([0f, 1f]);
        graph.Initializer.Add(offOn);
    }

    private static void AddLoss(GraphProto graph, string loss)
    {
        Add(graph, "Reshape", "all_ids", "input_ids", "flat");
        Add(graph, "Gather", "last_ids", "all_ids", "target_positions");
        Add(graph, "Gather", "rows", "table", "last_ids");
        Add(graph, "Mul", "shift", "aligner.gates", "aligner.tokens");
        Add(graph, "Add", "logits", "rows", "shift");
        Add(graph, "LogSoftmax", "log_p", "logits");
        Add(graph, "Unsqueeze", "target_columns", "target_ids", "axis1");
        Add(graph, "GatherElements", "picked", "log_p", "target_columns").Attribute.Add(Axis(1));
        Add(graph, "Squeeze", "target_log_probabilities", "picked", "axis1");
        Add(graph, "Mul", "weighted", "target_log_probabilities", "target_weights");
        NodeProto sum = Add(graph, "ReduceSum", "log_likelihood", "weighted", "axis0");
        sum.Attribute.Add(new AttributeProto { Name = "keepdims", Type = AttributeProto.Types.AttributeType.Int, I = 0 });
        Add(graph, "Neg", loss, "log_likelihood");
        graph.Output.Add(Value(loss, TensorProto.Types.DataType.Float));
        graph.Output.Add(Value("target_log_probabilities", TensorProto.Types.DataType.Float, "m"));
    }

    private static void AddGradients(GraphProto graph)
    {
        Add(graph, "Exp", "p", "log_p");
        Add(graph, "OneHot", "hot", "target_ids", "depth", "off_on");
        Add(graph, "Sub", "error", "p", "hot");
        Add(graph, "Unsqueeze", "weight_columns", "target_weights", "axis1");
        Add(graph, "Mul", "logit_gradient", "error", "weight_columns");
        Add(graph, "ReduceSum", "shift_gradient", "logit_gradient", "axis0");
        Add(graph, "Mul", "aligner.tokens_gradient", "shift_gradient", "aligner.gates");
        Add(graph, "Mul", "gate_terms", "shift_gradient", "aligner.tokens");
        Add(graph, "ReduceSum", "aligner.gates_gradient", "gate_terms", "axis1");
        graph.Output.Add(Value("aligner.tokens_gradient", TensorProto.Types.DataType.Float, "1", "5"));
        graph.Output.Add(Value("aligner.gates_gradient", TensorProto.Types.DataType.Float, "1", "1"));
    }

    private static NodeProto Add(GraphProto graph, string op, string output, params string[] inputs)
    {
        NodeProto node = new() { OpType = op, Name = output };
        node.Input.Add(inputs);
        node.Output.Add(output);
        graph.Node.Add(node);
        return node;
    }

    private static AttributeProto Axis(long axis) => new() { Name = "axis", Type = AttributeProto.Types.AttributeType.Int, I = axis };

    private static TensorProto Integers(string name, params long[] values)
    {
        TensorProto tensor = new() { Name = name, DataType = (int)TensorProto.Types.DataType.Int64 };
        tensor.Dims.Add(values.Length);
        tensor.Int64Data.Add(values);
        return tensor;
    }

    private static ValueInfoProto Value(string name, TensorProto.Types.DataType type, params string[] dimensions)
    {
        TensorShapeProto shape = new();
        foreach (string dimension in dimensions)
        {
            shape.Dim.Add(long.TryParse(dimension, out long size) ? new TensorShapeProto.Types.Dimension { DimValue = size } : new TensorShapeProto.Types.Dimension { DimParam = dimension });
        }
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = shape } } };
    }
}
