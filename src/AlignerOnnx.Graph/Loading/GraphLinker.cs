using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Turns a graph message into linked values and nodes.</summary>
internal static class GraphLinker
{
    public static OnnxGraph Link(GraphProto proto, string? folder)
    {
        if (proto.SparseInitializer.Count > 0)
        {
            throw new ModelRefusedException("The model has sparse initializers", $"graph '{proto.Name}'", remedy: "export the model with dense weights");
        }
        OnnxGraph graph = new(proto);
        AddSources(graph, proto, folder);
        AddNodes(graph, proto);
        Declare(graph, proto);
        foreach (ValueInfoProto output in proto.Output)
        {
            Value value = graph.Find(output.Name) ?? throw Missing($"graph output '{output.Name}'", output.Name);
            if (value.IsGraphOutput)
            {
                throw new ModelRefusedException("Two graph outputs have the same name", $"output '{output.Name}'", remedy: "export the model again");
            }
            value.Declaration = output;
            graph.AddOutput(value, output.Type);
        }
        // What has been linked is kept as values and nodes; the message keeps the rest: name, documentation, metadata, unknown fields.
        proto.Input.Clear();
        proto.Output.Clear();
        proto.Initializer.Clear();
        proto.Node.Clear();
        proto.ValueInfo.Clear();
        return graph;
    }

    private static void AddSources(OnnxGraph graph, GraphProto proto, string? folder)
    {
        foreach (ValueInfoProto input in proto.Input)
        {
            RequireName(input.Name, "graph input");
            if (graph.Find(input.Name) is not null)
            {
                throw new ModelRefusedException("Two graph inputs have the same name", $"input '{input.Name}'", remedy: "export the model again");
            }
            graph.AddInput(input.Name, input.Type).Declaration = input;
        }
        foreach (TensorProto tensor in proto.Initializer)
        {
            RequireName(tensor.Name, "initializer");
            if (graph.Find(tensor.Name)?.Initializer is not null)
            {
                throw new ModelRefusedException("Two initializers have the same name", $"initializer '{tensor.Name}'", remedy: "export the model again");
            }
            graph.AddInitializer(tensor, folder);
        }
    }

    /// <summary>Nodes in any order: some exporters do not sort them, and ONNX Runtime takes them so.</summary>
    private static void AddNodes(OnnxGraph graph, GraphProto proto)
    {
        List<Value?>[] outputs = [.. proto.Node.Select(node => (List<Value?>)[.. node.Output.Select(name => name.Length == 0 ? null : graph.NewValue(name))])];
        foreach ((NodeProto node, List<Value?> results) in proto.Node.Zip(outputs))
        {
            NodeChecks.RequireSound(node, inFunction: false);
            SubgraphChecks.RequireSound(node, name => graph.Find(name) is not null);
            List<Value?> inputs = [.. node.Input.Select(name => name.Length == 0 ? null : graph.Find(name) ?? throw Missing($"node '{node.Name}' ({node.OpType})", name))];
            graph.AddNode(node, inputs, results);
        }
        try
        {
            NodeOrder.Topological(graph.Nodes);
        }
        catch (InvalidOperationException cycle)
        {
            throw new ModelRefusedException("The nodes depend on each other in a cycle", $"graph '{proto.Name}'", cycle.Message, "nodes that can be computed one after the other", "export the model again", cycle);
        }
    }

    /// <summary>Types of inner values; a declaration of a value that the graph lacks is dropped.</summary>
    private static void Declare(OnnxGraph graph, GraphProto proto)
    {
        foreach (ValueInfoProto info in proto.ValueInfo)
        {
            if (graph.Find(info.Name) is { IsGraphInput: false } value)
            {
                value.Declaration = info;
                value.Type = info.Type;
            }
        }
    }

    /// <summary>The empty name stands for an absent input.</summary>
    private static void RequireName(string name, string what)
    {
        if (name.Length == 0)
        {
            throw new ModelRefusedException("A value has no name", what, "an empty name", "a name", "export the model again");
        }
    }

    private static ModelRefusedException Missing(string where, string name) => new(
        "A value is read that nothing computes", where, $"'{name}'", "a graph input, an initializer or the output of a node", "export the model again");
}
