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
        foreach (ValueInfoProto output in proto.Output)
        {
            Value value = graph.Find(output.Name) ?? throw Missing($"graph output '{output.Name}'", output.Name);
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
            if (graph.Find(input.Name) is not null)
            {
                throw new ModelRefusedException("Two graph inputs have the same name", $"input '{input.Name}'");
            }
            graph.AddInput(input.Name, input.Type).Declaration = input;
        }
        foreach (TensorProto tensor in proto.Initializer)
        {
            if (graph.Find(tensor.Name)?.Initializer is not null)
            {
                throw new ModelRefusedException("Two initializers have the same name", $"initializer '{tensor.Name}'");
            }
            graph.AddInitializer(tensor, folder);
        }
    }

    private static void AddNodes(OnnxGraph graph, GraphProto proto)
    {
        Dictionary<string, ValueInfoProto> declared = new(StringComparer.Ordinal);
        foreach (ValueInfoProto info in proto.ValueInfo)
        {
            declared[info.Name] = info;
        }
        foreach (NodeProto node in proto.Node)
        {
            List<Value?> inputs = [.. node.Input.Select(name => name.Length == 0 ? null : graph.Find(name) ?? throw Missing($"node '{node.Name}' ({node.OpType})", name))];
            List<Value?> outputs = [.. node.Output.Select(name => name.Length == 0 ? null : NewOutput(graph, name, declared))];
            graph.AddNode(node, inputs, outputs);
        }
    }

    private static Value NewOutput(OnnxGraph graph, string name, Dictionary<string, ValueInfoProto> declared)
    {
        Value value = graph.NewValue(name);
        if (declared.TryGetValue(name, out ValueInfoProto? info))
        {
            value.Declaration = info;
            value.Type = info.Type;
        }
        return value;
    }

    private static ModelRefusedException Missing(string where, string name) => new(
        "A value is read before anything computes it", where, $"'{name}'", "a graph input, an initializer or the output of an earlier node", "export the model again; ONNX nodes stand in topological order");
}
