using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Training;

/// <summary>
/// The optimizer graph: torch's AdamW over sequences of tensors, with the schedule as a table of rates by step and, where asked for, clipping by the gradients' norm.
/// The input learning_rate is there because the runtime feeds it; the table decides.
/// </summary>
internal static class OptimizerModelGraph
{
    private const long IrVersion = 10;
    private const long Opset = 21;

    /// <summary>Builds the graph.</summary>
    public static ModelProto Build(ArtifactOptions options)
    {
        GraphProto graph = new() { Name = "optimizer" };
        graph.Input.Add(TensorOf("learning_rate", DataType.Float));
        graph.Input.Add(TensorOf("step", DataType.Int64));
        foreach (string sequence in new[] { "params", "gradients", "first_order_moments", "second_order_moments" })
        {
            graph.Input.Add(new ValueInfoProto { Name = sequence, Type = SequenceOfFloats() });
        }
        AddRate(graph, options);
        string gradients = AddClipping(graph, options);
        AddAdamW(graph, gradients, options.Optimizer);
        graph.Output.Add(TensorOf("updated_flag", DataType.Bool));
        ModelProto model = new() { IrVersion = IrVersion, ProducerName = "AlignerOnnx", Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = Opset });
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = Domains.Microsoft, Version = 1 });
        return model;
    }

    /// <summary>The runtime counts steps from 1.</summary>
    private static void AddRate(GraphProto graph, ArtifactOptions options)
    {
        LearningRateSchedule schedule = options.EffectiveSchedule;
        graph.Initializer.Add(Tensor.Of("rates", [.. Enumerable.Range(0, options.Steps).Select(step => (float)schedule.At(step))], options.Steps));
        graph.Initializer.Add(Tensor.Of("first", [1L + options.StepsBefore], 1));
        graph.Initializer.Add(Tensor.Of("last", [options.Steps - 1L], 1));
        graph.Node.Add(NodeOf("Sub", ["step", "first"], "index"));
        graph.Node.Add(NodeOf("Min", ["index", "last"], "bounded_index"));
        graph.Node.Add(NodeOf("Gather", ["rates", "bounded_index"], "rate"));
    }

    private static string AddClipping(GraphProto graph, ArtifactOptions options)
    {
        if (options.MaximumGradientNorm is not double norm)
        {
            return "gradients";
        }
        NodeProto clip = NodeOf("InplaceClipGradNorm", ["gradients"], "clipped_gradients", Domains.Microsoft);
        clip.Attribute.Add(NodeAttributes.Of("max_norm", (float)norm));
        graph.Node.Add(clip);
        return "clipped_gradients";
    }

    private static void AddAdamW(GraphProto graph, string gradients, AdamWOptions constants)
    {
        NodeProto update = NodeOf("AdamWOptimizer", ["rate", "step", "params", gradients, "first_order_moments", "second_order_moments"], "updated_flag", Domains.Microsoft);
        update.Attribute.Add(NodeAttributes.Of("alpha", (float)constants.Beta1));
        update.Attribute.Add(NodeAttributes.Of("beta", (float)constants.Beta2));
        update.Attribute.Add(NodeAttributes.Of("epsilon", (float)constants.Epsilon));
        update.Attribute.Add(NodeAttributes.Of("weight_decay", (float)constants.WeightDecay));
        update.Attribute.Add(NodeAttributes.Of("correct_bias", 1L));
        // 0 is torch's AdamW: decay first, then the step.
        update.Attribute.Add(NodeAttributes.Of("adam_mode", 0L));
        graph.Node.Add(update);
    }

    private static NodeProto NodeOf(string opType, string[] inputs, string output, string domain = "")
    {
        NodeProto node = new() { OpType = opType, Domain = domain, Name = output };
        node.Input.AddRange(inputs);
        node.Output.Add(output);
        return node;
    }

    private static ValueInfoProto TensorOf(string name, DataType type)
    {
        TensorShapeProto one = new();
        one.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = 1 });
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = one } } };
    }

    private static TypeProto SequenceOfFloats() => new()
    {
        SequenceType = new TypeProto.Types.Sequence { ElemType = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } } },
    };
}
