using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>What a fused attention node adds to its scores besides its own mask: a window, slopes of positions, or a mask again, which hides nothing more.</summary>
internal static class ScoreBias
{
    /// <summary>Whether the graph computes a bias. Such a one knows one sequence in a row, not several; one that callers feed is a mask of theirs, which training does not have.</summary>
    public static bool IsComputed(AttentionSite site) => site.Scores.Bias is not null and not { IsGraphInput: true, Initializer: null };

    /// <summary>The scores [b, H, s, s] with the bias, [.., s, s] of up to four dimensions; of truth values where true lets a query see a key.</summary>
    public static Value Add(OpEmitter emit, Value scores, AttentionSite site)
    {
        if (!IsComputed(site))
        {
            return scores;
        }
        Value bias = site.Scores.Bias!;
        Value sum = IsTruth(bias) ? emit.Op("Where", [bias, scores, emit.Scalar(float.MinValue)]) : emit.Add(scores, bias);
        sum.Type = scores.Type;
        return sum;
    }

    private static bool IsTruth(Value value) =>
        value.ElementType == DataType.Bool || value.Producer switch
        {
            { OpType: "And" or "Or" or "Not" or "Xor" or "Equal" or "Less" or "LessOrEqual" or "Greater" or "GreaterOrEqual" } => true,
            { OpType: "Cast" } cast => cast.Attributes.Int("to", 0) == (long)DataType.Bool,
            { OpType: "Unsqueeze" or "Squeeze" or "Expand" or "Reshape" or "Slice" or "Concat" or "Identity" or "Transpose" } layout => IsTruth(layout.Input(0)!),
            { OpType: "Where" } choice => IsTruth(choice.Input(1)!),
            _ => false,
        };
}
