using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Walks the messages of a model, through subgraphs and functions too. Protobuf limits nesting to 100 messages, so recursion is safe.</summary>
internal static class Messages
{
    /// <summary>Every stored tensor: initializers and attributes, of all graphs and functions.</summary>
    public static IEnumerable<TensorProto> Tensors(ModelProto model) =>
        Tensors(model.Graph).Concat(model.Functions.SelectMany(function => function.Node).SelectMany(Tensors));

    /// <summary>The graphs inside a node's attributes.</summary>
    public static IEnumerable<GraphProto> Subgraphs(NodeProto node) =>
        node.Attribute.SelectMany(attribute => attribute.G is null ? attribute.Graphs : attribute.Graphs.Prepend(attribute.G));

    /// <summary>The nodes with those of their subgraphs.</summary>
    public static IEnumerable<NodeProto> Deep(IEnumerable<NodeProto> nodes) =>
        nodes.SelectMany(node => Subgraphs(node).SelectMany(graph => Deep(graph.Node)).Prepend(node));

    private static IEnumerable<TensorProto> Tensors(GraphProto graph) => graph.Initializer.Concat(graph.Node.SelectMany(Tensors));

    private static IEnumerable<TensorProto> Tensors(NodeProto node) =>
        node.Attribute.SelectMany(attribute => attribute.T is null ? attribute.Tensors : attribute.Tensors.Prepend(attribute.T))
            .Concat(Subgraphs(node).SelectMany(Tensors));
}
