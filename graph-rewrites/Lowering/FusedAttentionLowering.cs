using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// Fused attention (GroupQueryAttention, MultiHeadAttention, ai.onnx Attention) over a whole sequence, in differentiable operators:
/// softmax(scale * rotary(q) rotary(k)^T + mask) v, the query heads of a group stacked along the sequence so that keys are never repeated.
/// </summary>
internal static class FusedAttentionLowering
{
    // Names of dimensions: values with the same name in the same place have the same size there, which saves their gradients from asking for shapes.
    private const string Batch = "batch";
    private const string Sequence = "sequence";
    private const string Stacked = "stacked_queries";

    /// <summary>Replaces the fused node.</summary>
    public static LoweredSite Lower(OnnxGraph graph, AttentionSite site, SequenceFacts sequence)
    {
        OpEmitter emit = new(graph, $"aligner.layer{site.Layer}");
        FusedOperands operands = FusedOperands.Of(emit, site);
        Value query = operands.Query.As(Batch, Sequence, site.Query.Count);
        Value key = operands.Key.As(Batch, Sequence, operands.KeySize);
        Value value = operands.Value.As(Batch, Sequence, operands.KeySize);
        if (site.QueryNormalization is { } queryNormalization && !site.QueryOperand!.IsNormalised)
        {
            query = Normalize(emit, query, queryNormalization, site.QueryHeads, site.HeadSize);
            key = Normalize(emit, key, site.KeyNormalization!, operands.KeyHeads, site.HeadSize);
        }
        Value rotatedQuery = Rotate(emit, query, site, site.QueryHeads, sequence).As(Batch, Sequence, site.Query.Count);
        Value rotatedKey = Rotate(emit, key, site, operands.KeyHeads, sequence).As(Batch, Sequence, operands.KeySize);
        Value attended = Attend(emit, rotatedQuery, rotatedKey, value, operands.KeyHeads, site, sequence);
        OnnxGraph.ReplaceUses(site.Core.Output, site.Attended.Layout == HeadLayout.HeadMajor ? Heads(emit, attended, site.QueryHeads, site.HeadSize) : attended);
        return new LoweredSite(site, rotatedQuery, attended, HeadLayout.SequenceMajor);
    }

    private static Value Normalize(OpEmitter emit, Value heads, HeadNormalization normalization, long count, long size)
    {
        long together = count * size;
        Value apart = emit.Reshape(heads, 0, 0, count, size).As(Batch, Sequence, count, size);
        Value normal = emit.SimplifiedLayerNormalization(apart, normalization.Weight, normalization.Epsilon).As(Batch, Sequence, count, size);
        return emit.Reshape(normal, 0, 0, together).As(Batch, Sequence, together);
    }

    private static Value Rotate(OpEmitter emit, Value heads, AttentionSite site, long count, SequenceFacts sequence)
    {
        if (site.Rotary is not { IsInsideCore: true } rotary)
        {
            return heads;
        }
        long rotated = rotary.RotatedSize;
        return emit.MicrosoftOp("RotaryEmbedding", [heads, sequence.Positions, rotary.Cosines, rotary.Sines],
            NodeAttributes.Of("interleaved", rotary.Interleaved ? 1 : 0),
            NodeAttributes.Of("num_heads", rotated == site.HeadSize ? 0 : count),
            NodeAttributes.Of("rotary_embedding_dim", rotated == site.HeadSize ? 0 : rotated));
    }

    private static Value Attend(OpEmitter emit, Value query, Value key, Value value, long groups, AttentionSite site, SequenceFacts sequence)
    {
        (long stacked, long size) = (site.QueryHeads / groups, site.HeadSize);
        Value q = StackedHeads(emit, query, groups, stacked, size);
        Value k = Heads(emit, key, groups, size);
        Value v = Heads(emit, value, groups, size);
        Value scores = emit.FusedMatMul(q, k, transposeB: true, alpha: site.Scale / site.QueryOperand!.Factor).As(Batch, groups, Stacked, Sequence);
        // [b, G, r * s, s] -> [b, H, s, s]
        Value unstacked = emit.Reshape(scores, 0, site.QueryHeads, -1, 0).As(Batch, site.QueryHeads, Sequence, Sequence);
        Value biased = ScoreBias.Add(emit, SoftCap.Apply(emit, unstacked, site), site);
        Value masked = emit.Add(biased, sequence.ScoreMask(site.Scores.LocalWindow)).As(Batch, site.QueryHeads, Sequence, Sequence);
        Value probabilities = AttentionSinks.Softmax(emit, masked, site).As(Batch, site.QueryHeads, Sequence, Sequence);
        Value restacked = emit.Reshape(probabilities, 0, groups, -1, 0).As(Batch, groups, Stacked, Sequence);
        Value mixed = emit.MatMul(restacked, v).As(Batch, groups, Stacked, size);
        Value byHead = emit.Reshape(mixed, 0, 0, stacked, -1, size).As(Batch, groups, stacked, Sequence, size);
        Value ordered = emit.Transpose(byHead, 0, 3, 1, 2, 4).As(Batch, Sequence, groups, stacked, size);
        return emit.Reshape(ordered, 0, 0, site.Query.Count).As(Batch, Sequence, site.Query.Count);
    }

    /// <summary>[b, s, H * head size] -> [b, G, r * s, head size].</summary>
    private static Value StackedHeads(OpEmitter emit, Value query, long groups, long stacked, long size)
    {
        Value byHead = emit.Reshape(query, 0, 0, groups, stacked, size).As(Batch, Sequence, groups, stacked, size);
        Value ordered = emit.Transpose(byHead, 0, 2, 3, 1, 4).As(Batch, groups, stacked, Sequence, size);
        return emit.Reshape(ordered, 0, 0, -1, size).As(Batch, groups, Stacked, size);
    }

    /// <summary>[b, s, G * head size] -> [b, G, s, head size].</summary>
    private static Value Heads(OpEmitter emit, Value heads, long groups, long size) =>
        emit.Transpose(emit.Reshape(heads, 0, 0, groups, size).As(Batch, Sequence, groups, size), 0, 2, 1, 3).As(Batch, groups, Sequence, size);
}
