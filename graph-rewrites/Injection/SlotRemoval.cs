using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// Gives back the base model of a patched one, in memory. Every layout reaches the base graph through an Add, whose first operand is the base model's value, or through
/// a Where, whose last one is.
/// </summary>
internal static class SlotRemoval
{
    private const string Own = "aligner.";
    private const int BaseOperandOfWhere = 2;

    /// <summary>Removes slots and what reads them.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Value output in graph.Outputs.Where(output => BaseOf(output) != output).ToArray())
        {
            OnnxGraph.Exchange(output, BaseOf(output));
        }
        foreach (Node node in graph.Nodes.Where(node => !IsOwn(node)).ToArray())
        {
            for (int input = 0; input < node.Inputs.Count; input++)
            {
                if (node.Inputs[input] is { } value && BaseOf(value) is { } original && original != value)
                {
                    node.Rewire(input, original);
                }
            }
        }
        graph.RemoveUnused();
        foreach (Value slot in graph.Inputs.Where(input => input.Uses.Count == 0 && input.Name.StartsWith(Own, StringComparison.Ordinal)).ToArray())
        {
            graph.RemoveInput(slot);
        }
        graph.RemoveUnused();
    }

    private static Value BaseOf(Value value)
    {
        while (value.Producer is { } node && IsOwn(node))
        {
            value = node.OpType switch
            {
                "Add" => node.Input(0)!,
                "Where" => node.Input(BaseOperandOfWhere)!,
                _ => throw new ModelRefusedException("The slots of the model were changed after patching", node.ToString(), remedy: "patch the base model again"),
            };
        }
        return value;
    }

    private static bool IsOwn(Node node) => node.Name.StartsWith(Own, StringComparison.Ordinal);
}
