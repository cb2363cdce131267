using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Graphs inside attributes (branches of If, bodies of Loop): which outer values they read, and renaming of those.</summary>
internal static class Subgraphs
{
    /// <summary>The outer values that a node's subgraphs read, each once.</summary>
    public static IReadOnlyList<Value> Captured(Node node, Func<string, Value?> find)
    {
        if (!node.Attributes.All.Any(attribute => attribute.G is not null || attribute.Graphs.Count > 0))
        {
            return [];
        }
        HashSet<string> free = new(StringComparer.Ordinal);
        foreach (GraphProto graph in Of(node.Proto))
        {
            CollectFree(graph, free);
        }
        return [.. free.Select(find).OfType<Value>()];
    }

    /// <summary>Renames reads of an outer value inside a node's subgraphs.</summary>
    public static void Rename(Node node, string from, string to)
    {
        foreach (GraphProto graph in Of(node.Proto))
        {
            Rename(graph, from, to);
        }
    }

    private static IEnumerable<GraphProto> Of(NodeProto node) =>
        node.Attribute.SelectMany(attribute => attribute.G is null ? attribute.Graphs : attribute.Graphs.Prepend(attribute.G));

    private static void CollectFree(GraphProto graph, HashSet<string> free)
    {
        HashSet<string> own = [.. graph.Input.Select(i => i.Name), .. graph.Initializer.Select(i => i.Name), .. graph.Node.SelectMany(n => n.Output)];
        HashSet<string> read = [.. graph.Output.Select(o => o.Name), .. graph.Node.SelectMany(n => n.Input)];
        foreach (GraphProto inner in graph.Node.SelectMany(Of))
        {
            CollectFree(inner, read);
        }
        free.UnionWith(read.Where(name => name.Length > 0 && !own.Contains(name)));
    }

    private static void Rename(GraphProto graph, string from, string to)
    {
        if (graph.Input.Any(i => i.Name == from) || graph.Initializer.Any(i => i.Name == from) || graph.Node.Any(n => n.Output.Contains(from)))
        {
            return;
        }
        foreach (NodeProto node in graph.Node)
        {
            for (int i = 0; i < node.Input.Count; i++)
            {
                if (node.Input[i] == from)
                {
                    node.Input[i] = to;
                }
            }
            foreach (GraphProto inner in Of(node))
            {
                Rename(inner, from, to);
            }
        }
        foreach (ValueInfoProto output in graph.Output.Where(output => output.Name == from))
        {
            output.Name = to;
        }
    }
}
