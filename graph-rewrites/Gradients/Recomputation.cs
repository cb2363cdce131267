using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>
/// Trades time for memory: of the forward pass only the residual stream in front of each normalization is kept. What the backward pass needs from between two such
/// values is computed again from the first of them, just before it is used. The copies are the same operators on the same values, so no number changes.
/// </summary>
internal static class Recomputation
{
    /// <summary>Rewrites the backward pass of a differentiated graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="forward">The nodes of the forward pass.</param>
    /// <param name="gradients">The gradients of its values.</param>
    public static void Apply(OnnxGraph graph, IReadOnlySet<Node> forward, GradientContext gradients)
    {
        Node[] order = [.. NodeOrder.Topological(graph.Nodes).Where(forward.Contains)];
        Value[] residuals = [.. order.Where(IsNormalization).Select(node => node.Input(0)!).Where(value => IsResidual(value, forward) && gradients.GradientOf(value) is not null)];
        foreach ((Value first, Value next) in residuals.Zip(residuals.Skip(1)))
        {
            Segment(graph, order, first, next, forward, gradients.GradientOf(next)!);
        }
    }

    private static bool IsNormalization(Node node) => node.Is("SimplifiedLayerNormalization");

    /// <summary>The residual stream goes into the normalization and, past it, into the next sum.</summary>
    private static bool IsResidual(Value value, IReadOnlySet<Node> forward) => value.Uses.Count(use => forward.Contains(use.Node)) > 1;

    private static void Segment(OnnxGraph graph, Node[] order, Value first, Value next, IReadOnlySet<Node> forward, Value gradient)
    {
        IReadOnlySet<Node> leading = NodeOrder.Reaching([next], graph);
        HashSet<Value> inside = [first];
        List<Node> segment = [];
        foreach (Node node in order.Where(leading.Contains).Where(node => node.Inputs.Any(input => input is not null && inside.Contains(input))))
        {
            inside.UnionWith(node.Outputs.OfType<Value>());
            segment.Add(node);
        }
        Value[] wanted = [.. segment.SelectMany(node => node.Outputs).OfType<Value>().Where(value => value != next && value.Uses.Any(use => !forward.Contains(use.Node)))];
        IReadOnlySet<Node> needed = NodeOrder.Reaching(wanted, graph);
        Node[] copied = [.. segment.Where(needed.Contains)];
        Redirect(wanted, Copy(graph, copied, first, gradient), forward);
    }

    /// <summary>Copies nodes; the copies start from the residual stream as soon as its successor's gradient is there, not before.</summary>
    private static Dictionary<Value, Value> Copy(OnnxGraph graph, Node[] nodes, Value first, Value gradient)
    {
        Dictionary<Value, Value> copies = new() { [first] = Ordering.After(new OpEmitter(graph, "aligner.recomputed"), first, gradient) };
        foreach (Node node in nodes)
        {
            string?[] outputs = [.. node.Outputs.Select(output => output is null ? null : graph.UniqueName($"{output.Name}.recomputed"))];
            // Nodes may lack a name; values have one.
            Node copy = graph.AddNode(node.OpType, node.Domain, outputs.OfType<string>().First(),
                [.. node.Inputs.Select(input => input is null ? null : copies.GetValueOrDefault(input, input))],
                outputs,
                [.. node.Attributes.All.Select(attribute => attribute.Clone())]);
            foreach ((Value? output, Value? again) in node.Outputs.Zip(copy.Outputs))
            {
                if (output is not null)
                {
                    copies.Add(output, again!);
                }
            }
        }
        return copies;
    }

    private static void Redirect(Value[] wanted, Dictionary<Value, Value> copies, IReadOnlySet<Node> forward)
    {
        foreach (Value value in wanted)
        {
            foreach (Use use in value.Uses.Where(use => !forward.Contains(use.Node)).ToArray())
            {
                use.Node.Rewire(use.Input, copies[value]);
            }
        }
    }
}
