namespace AlignerOnnx.Graph;

/// <summary>Orders of nodes. Works with explicit stacks: a chain of a million nodes is no deeper than one of ten.</summary>
public static class NodeOrder
{
    /// <summary>The nodes so that each follows the producers of what it reads, otherwise in the order given.</summary>
    /// <exception cref="InvalidOperationException">The nodes depend on each other in a cycle.</exception>
    public static IReadOnlyList<Node> Topological(IReadOnlyList<Node> nodes)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        ILookup<Node, Value> captured = nodes.SelectMany(node => node.Outputs.OfType<Value>())
            .SelectMany(value => value.Uses.Where(use => use.Input == Use.Subgraph).Select(use => (use.Node, value)))
            .ToLookup(pair => pair.Node, pair => pair.value);
        List<Node> ordered = new(nodes.Count);
        HashSet<Node> open = [];
        HashSet<Node> done = [];
        Stack<Node> stack = new();
        foreach (Node root in nodes)
        {
            stack.Push(root);
            while (stack.TryPeek(out Node? node))
            {
                if (done.Contains(node))
                {
                    stack.Pop();
                    continue;
                }
                Node[] waiting = [.. node.Inputs.Concat(captured[node]).Select(value => value?.Producer).OfType<Node>().Where(producer => !done.Contains(producer)).Distinct()];
                if (waiting.Length == 0)
                {
                    stack.Pop();
                    open.Remove(node);
                    done.Add(node);
                    ordered.Add(node);
                    continue;
                }
                if (!open.Add(node))
                {
                    throw new InvalidOperationException($"The graph has a cycle through {node}.");
                }
                foreach (Node producer in waiting)
                {
                    stack.Push(producer);
                }
            }
        }
        return ordered;
    }

    /// <summary>Every node that at least one of the values depends on, through subgraphs too.</summary>
    public static IReadOnlySet<Node> Reaching(IEnumerable<Value> values, OnnxGraph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        HashSet<Node> found = [];
        Stack<Node> stack = new(values.Select(value => value.Producer).OfType<Node>());
        while (stack.TryPop(out Node? node))
        {
            if (found.Add(node))
            {
                foreach (Node producer in node.Inputs.Concat(Subgraphs.Captured(node, graph.Find)).Select(value => value?.Producer).OfType<Node>())
                {
                    stack.Push(producer);
                }
            }
        }
        return found;
    }
}
