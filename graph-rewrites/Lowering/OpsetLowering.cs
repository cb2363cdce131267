using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Brings operators of older opsets to the one that the gradient graph declares: what were attributes became inputs in opset 18.</summary>
internal static class OpsetLowering
{
    private static readonly HashSet<string> Reductions = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"];

    /// <summary>Rewrites a model and raises its opset.</summary>
    public static void Apply(OnnxModel model, long opset)
    {
        foreach (Node node in model.Graph.Nodes.Where(node => node.Domain == Domains.Standard).ToArray())
        {
            Raise(model.Graph, node);
        }
        model.RequireOpset(Domains.Standard, opset);
    }

    private static void Raise(OnnxGraph graph, Node node)
    {
        if (Reductions.Contains(node.OpType) && node.Attributes.Ints("axes") is { } axes)
        {
            OpEmitter emit = new(graph, node.Output.Name);
            Value raised = emit.Op(node.OpType, [node.Input(0), emit.Integers([.. axes])], NodeAttributes.Of("keepdims", node.Attributes.Int("keepdims", 1)));
            raised.Type = node.Output.Type;
            OnnxGraph.ReplaceUses(node.Output, raised);
            graph.RemoveNode(node);
        }
        else if (node.OpType == "Split" && node.Input(1) is null && !node.Attributes.Has("num_outputs"))
        {
            node.Attributes.Set(NodeAttributes.Of("num_outputs", node.Outputs.Count));
        }
    }
}
