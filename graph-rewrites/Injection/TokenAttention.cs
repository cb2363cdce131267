using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// Attention to the tokens of an adapter beside a layer's own: softmax(scale * q k^T) v times the gate of the query head, added to what the layer attended to before
/// its output projection. Standard operators alone, so that every execution provider runs it; the tokens are few.
/// </summary>
internal static class TokenAttention
{
    /// <summary>Adds the branch to a layer.</summary>
    /// <param name="emit">Where nodes go.</param>
    /// <param name="site">The layer.</param>
    /// <param name="queries">Rotated queries of the model.</param>
    /// <param name="keys">[b, G, n, head size], b = 1 or the batch size.</param>
    /// <param name="values">Of the same shape.</param>
    /// <param name="gate">[b, 1, H].</param>
    public static void Attach(OpEmitter emit, AttentionSite site, RotatedQueries queries, Value keys, Value values, Value gate)
    {
        (long groups, long shared) = (site.KeyValueHeads, site.QueryHeads / site.KeyValueHeads);
        Value scores = emit.MatMul(queries.Of(emit, site), emit.Transpose(keys, 0, 1, 3, 2));
        if (!RotatedQueries.AreScaled(site))
        {
            scores = emit.Mul(scores, RotatedQueries.Scale(emit, site));
        }
        Value probabilities = emit.Op("Softmax", [SoftCap.Apply(emit, scores, site)], NodeAttributes.Of("axis", -1L));
        // [b, G, r * s, head size] -> [b, G, r, s, head size]
        Value mixed = emit.Reshape(emit.MatMul(probabilities, values), 0, groups, shared, -1, site.HeadSize);
        Value gated = emit.Mul(mixed, emit.Reshape(gate, 0, groups, shared, 1, 1));
        Value attended = site.Attended.Value;
        Value sum = emit.Add(attended, InLayout(emit, gated, site));
        Slots.Join(attended, sum);
    }

    /// <summary>[b, G, r, s, head size] as the layer's own attention output is arranged.</summary>
    private static Value InLayout(OpEmitter emit, Value gated, AttentionSite site)
    {
        if (site.Attended.Layout == HeadLayout.HeadMajor)
        {
            return emit.Reshape(gated, 0, site.QueryHeads, -1, site.HeadSize);
        }
        Value inSequence = emit.Transpose(gated, 0, 3, 1, 2, 4);
        return site.Attended.Layout == HeadLayout.SequenceHeads
            ? emit.Reshape(inSequence, 0, 0, site.QueryHeads, site.HeadSize)
            : emit.Reshape(inSequence, 0, 0, site.Query.Count);
    }
}
