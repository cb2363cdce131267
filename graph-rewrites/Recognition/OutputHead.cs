using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Projections;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>The last projection of a decoder, which makes logits of hidden states.</summary>
internal static class OutputHead
{
    /// <summary>Finds the head; only elementwise operators may follow it.</summary>
    /// <exception cref="ModelRefusedException">There are no logits, or no projection makes them.</exception>
    public static Node Of(OnnxModel model)
    {
        Value logits = model.Graph.Find("logits") ?? throw new ModelRefusedException("The model has no logits", model.Path, "no output 'logits'");
        Node? node = logits.Producer;
        while (node is not null && node.OpType is "Cast" or "Mul" or "Div" or "Tanh" or "Add")
        {
            node = node.Inputs.FirstOrDefault(input => input is { IsConstant: false })?.Producer;
        }
        return node is not null && ProjectionRecogniser.Computing(node.Output) is { Success: true } head && head.Found.Node == node
            ? node
            : throw new ModelRefusedException("The output head is not a projection", model.Path, node?.ToString(), "a projection (MatMul or MatMulNBits) before 'logits'");
    }
}
