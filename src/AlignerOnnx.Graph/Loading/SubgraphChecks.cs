using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Checks graphs inside attributes, which are kept as they are and handed on to the runtime.</summary>
internal static class SubgraphChecks
{
    /// <summary>Refuses a node whose subgraphs define a value twice, go in a cycle, or read what nothing computes.</summary>
    /// <param name="node">The node, with everything inside it.</param>
    /// <param name="isKnown">Whether a value of that name exists outside.</param>
    /// <exception cref="ModelRefusedException">They do.</exception>
    public static void RequireSound(NodeProto node, Func<string, bool> isKnown)
    {
        foreach (GraphProto graph in Messages.Subgraphs(node))
        {
            RequireSound(graph, isKnown, $"node '{node.Name}' ({node.OpType}), graph '{graph.Name}'");
        }
    }

    private static void RequireSound(GraphProto graph, Func<string, bool> isKnown, string where)
    {
        if (graph.SparseInitializer.Count > 0)
        {
            throw new ModelRefusedException("The model has sparse initializers", where, remedy: "export the model with dense weights");
        }
        HashSet<string> given = [.. graph.Input.Select(input => input.Name), .. graph.Initializer.Select(tensor => tensor.Name)];
        Dictionary<string, NodeProto> producers = new(StringComparer.Ordinal);
        foreach ((NodeProto node, string name) in graph.Node.SelectMany(node => node.Output.Where(name => name.Length > 0).Select(name => (node, name))))
        {
            if (given.Contains(name) || !producers.TryAdd(name, node))
            {
                throw new ModelRefusedException("Two values have the same name", where, $"'{name}'", "each value once", "export the model again; ONNX graphs are in single-assignment form");
            }
        }
        foreach (NodeProto node in graph.Node)
        {
            NodeChecks.RequireSound(node, inFunction: false);
            RequireSound(node, IsKnown);
        }
        if (graph.Node.SelectMany(node => node.Input).Concat(graph.Output.Select(output => output.Name)).FirstOrDefault(name => name.Length > 0 && !IsKnown(name)) is { } missing)
        {
            throw new ModelRefusedException("A value is read that nothing computes", where, $"'{missing}'", "a value of this graph or of one around it", "export the model again");
        }
        RequireNoCycle(graph, producers, where);

        bool IsKnown(string name) => given.Contains(name) || producers.ContainsKey(name) || isKnown(name);
    }

    /// <summary>Takes nodes away whose inputs are there, until none is left or none can be taken.</summary>
    private static void RequireNoCycle(GraphProto graph, Dictionary<string, NodeProto> producers, string where)
    {
        Dictionary<NodeProto, int> waiting = new(ReferenceEqualityComparer.Instance);
        Dictionary<NodeProto, List<NodeProto>> readers = new(ReferenceEqualityComparer.Instance);
        foreach (NodeProto node in graph.Node)
        {
            NodeProto[] sources = [.. node.Input.Select(producers.GetValueOrDefault).OfType<NodeProto>()];
            waiting[node] = sources.Length;
            foreach (NodeProto source in sources)
            {
                (readers.TryGetValue(source, out List<NodeProto>? known) ? known : readers[source] = []).Add(node);
            }
        }
        Stack<NodeProto> ready = new(graph.Node.Where(node => waiting[node] == 0));
        int done = 0;
        for (; ready.TryPop(out NodeProto? node); done++)
        {
            foreach (NodeProto reader in readers.GetValueOrDefault(node, []))
            {
                if (--waiting[reader] == 0)
                {
                    ready.Push(reader);
                }
            }
        }
        if (done < graph.Node.Count)
        {
            NodeProto one = graph.Node.First(node => waiting[node] > 0);
            throw new ModelRefusedException("The nodes depend on each other in a cycle", where, $"node '{one.Name}' ({one.OpType})", "nodes that can be computed one after the other", "export the model again");
        }
    }
}
