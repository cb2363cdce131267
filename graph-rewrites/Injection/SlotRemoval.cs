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

    /// <summary>Removes slots and what reads them; the base model's own nodes stay, those that nothing reads too.</summary>
    /// <exception cref="ModelRefusedException">What reads the slots is not what patching wrote.</exception>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Value output in graph.Outputs.Where(output => BaseOf(output) != output).ToArray())
        {
            Value own = BaseOf(output);
            if (!OnnxGraph.CanExchange(output, own))
            {
                throw Changed(output.Producer!);
            }
            OnnxGraph.Exchange(output, own);
        }
        foreach (Value joined in graph.Nodes.Where(node => IsOwn(node.Name)).SelectMany(node => node.Outputs).OfType<Value>().Where(value => value.Uses.Any(use => !IsOwn(use.Node.Name))).ToArray())
        {
            OnnxGraph.ReplaceUses(joined, BaseOf(joined));
        }
        graph.RemoveUnused(IsOwn);
        foreach (Value slot in graph.Inputs.Where(input => input.Uses.Count == 0 && IsOwn(input.Name)).ToArray())
        {
            graph.RemoveInput(slot);
        }
        graph.RemoveUnused(IsOwn);
    }

    /// <summary>Whether patching gave the name.</summary>
    public static bool IsOwn(string name) => name.StartsWith(Own, StringComparison.Ordinal);

    private static Value BaseOf(Value value)
    {
        while (value.Producer is { } node && IsOwn(node.Name))
        {
            value = node.OpType switch
            {
                "Add" => node.Input(0),
                "Where" => node.Input(BaseOperandOfWhere),
                _ => null,
            } ?? throw Changed(node);
        }
        return value;
    }

    private static ModelRefusedException Changed(Node node) => new("The slots of the model were changed after patching", node.ToString(), remedy: "patch the base model again");
}
