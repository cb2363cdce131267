using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Scores that only join the denominator of the softmax: one a head (GPT-OSS), or 0 for all (<c>smooth_softmax</c>). A column is added to the scores, and its share is cut off.</summary>
internal static class AttentionSinks
{
    /// <summary>The shares of keys, [b, H, s, s], which sum up to less than 1 where there is a sink.</summary>
    public static Value Softmax(OpEmitter emit, Value scores, AttentionSite site)
    {
        if (site.Scores is { Sinks: null, SmoothSoftmax: false })
        {
            return emit.Op("Softmax", [scores], NodeAttributes.Of("axis", -1L));
        }
        Value ofHeads = site.Scores.Sinks is { } sinks ? emit.Reshape(sinks, 1, site.QueryHeads, 1, 1) : emit.Scalar(0);
        Value rows = emit.Op("Shape", [scores], NodeAttributes.Of("start", 0L), NodeAttributes.Of("end", -1L));
        Value column = emit.Op("Expand", [ofHeads, emit.Op("Concat", [rows, emit.Integers([1])], NodeAttributes.Of("axis", 0L))]);
        Value joined = emit.Op("Concat", [scores, column], NodeAttributes.Of("axis", -1L));
        return emit.Op("Slice", [emit.Op("Softmax", [joined], NodeAttributes.Of("axis", -1L)), emit.Integers([0]), emit.Integers([-1]), emit.Integers([-1])]);
    }
}
