using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Recognition.Projections;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>An export that computes the logits of the last position alone (the model builder's <c>prune_lm_head</c>) computes all of them again.</summary>
internal static class PrunedHeadLowering
{
    /// <summary>Rewrites the graph in place.</summary>
    public static void Apply(OnnxGraph graph)
    {
        if (HeadOf(graph.Find("logits")) is not { } head)
        {
            return;
        }
        Value? value = head.Source;
        while (value?.Producer is { OpType: "Unsqueeze" or "Squeeze" or "Reshape" or "Identity" } arrangement)
        {
            value = arrangement.Input(0);
        }
        if (value?.Producer is { } last && KeepsTheLast(last) && last.Input(0) is { } all)
        {
            head.Node.Rewire(0, all);
        }
    }

    /// <summary>The projection that gives the logits, before a scale or a bound.</summary>
    private static Projection? HeadOf(Value? logits)
    {
        Value? value = logits;
        while (value?.Producer is { OpType: "Cast" or "Mul" or "Div" or "Tanh" or "Identity" } node)
        {
            value = node.Inputs.FirstOrDefault(input => Constants.Of(input) is null);
        }
        return value is null ? null : ProjectionRecogniser.Computing(value).Found;
    }

    /// <summary>x[:, -1] or x[:, -1:].</summary>
    private static bool KeepsTheLast(Node node) => node.OpType switch
    {
        "Gather" => node.Attributes.Int("axis", 0) == 1 && Constants.Integers(node.Input(1)) is [-1],
        "Slice" => Constants.Integers(node.Input(1)) is [-1] && Constants.Integers(node.Input(3)) is [1],
        _ => false,
    };
}
