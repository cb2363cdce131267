using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// GroupQueryAttention over a whole sequence, in differentiable operators:
/// softmax(scale * rotary(q) rotary(k)^T + mask) v, the r = H / G query heads of a group stacked along the sequence so that keys are never repeated.
/// </summary>
internal static class GroupQueryAttentionLowering
{
    // Names of dimensions: values with the same name in the same place have the same size there, which saves their gradients from asking for shapes.
    private const string Batch = "batch";
    private const string Sequence = "sequence";
    private const string Stacked = "stacked_queries";
    private const int MaskInput = 10;
    private const int SinkInput = 11;
    private const int KeyNormalizationInput = 15;

    /// <summary>Why a site cannot be lowered; null where it can.</summary>
    public static string? WhyNot(AttentionSite site) =>
        site.Core.Attributes.Int("smooth_softmax", 0) != 0 || site.Core.Input(SinkInput) is not null ? "the attention has a sink"
        : site.Core.Input(MaskInput) is not null ? "the attention takes a bias"
        : null;

    /// <summary>Replaces the fused node.</summary>
    public static LoweredSite Lower(OnnxGraph graph, AttentionSite site, SequenceFacts sequence)
    {
        OpEmitter emit = new(graph, $"aligner.layer{site.Layer}");
        (Value query, Value key, Value value) = Sources(emit, site);
        Value rotatedQuery = Rotate(emit, query, site, site.QueryHeads, sequence).As(Batch, Sequence, site.Query.Count);
        Value rotatedKey = Rotate(emit, key, site, site.KeyValueHeads, sequence).As(Batch, Sequence, site.Key.Count);
        Value attended = Attend(emit, rotatedQuery, rotatedKey, value, site, sequence);
        OnnxGraph.ReplaceUses(site.Core.Output, attended);
        return new LoweredSite(site, rotatedQuery, attended);
    }

    /// <summary>The operands of the node, apart where they come packed, normalised where the node does that itself.</summary>
    private static (Value Query, Value Key, Value Value) Sources(OpEmitter emit, AttentionSite site)
    {
        Value[] operands = site.Core.Input(1) is { } key && site.Core.Input(2) is { } value
            ? [site.QueryOperand!.Value, key, value]
            : emit.Split(site.QueryOperand!.Value, axis: 2, site.Query.Count, site.Key.Count, site.Value.Count);
        Value query = operands[0].As(Batch, Sequence, site.Query.Count);
        Value keys = operands[1].As(Batch, Sequence, site.Key.Count);
        return (
            site.QueryNormalization is { } queryNormalization && !site.QueryOperand!.IsNormalised ? Normalize(emit, query, queryNormalization, site.QueryHeads, site.HeadSize) : query,
            site.Core.Input(KeyNormalizationInput) is not null ? Normalize(emit, keys, site.KeyNormalization!, site.KeyValueHeads, site.HeadSize) : keys,
            operands[2].As(Batch, Sequence, site.Value.Count));
    }

    private static Value Normalize(OpEmitter emit, Value heads, HeadNormalization normalization, long count, long size)
    {
        Value apart = emit.Reshape(heads, 0, 0, count, size).As(Batch, Sequence, count, size);
        Value normal = emit.SimplifiedLayerNormalization(apart, normalization.Weight, normalization.Epsilon).As(Batch, Sequence, count, size);
        return emit.Reshape(normal, 0, 0, count * size).As(Batch, Sequence, count * size);
    }

    private static Value Rotate(OpEmitter emit, Value heads, AttentionSite site, int count, SequenceFacts sequence)
    {
        if (site.Rotary is not { IsInsideCore: true } rotary)
        {
            return heads;
        }
        long rotated = 2 * (rotary.Cosines.Initializer?.Shape[^1] ?? site.HeadSize / 2);
        return emit.MicrosoftOp("RotaryEmbedding", [heads, sequence.Positions, rotary.Cosines, rotary.Sines],
            NodeAttributes.Of("interleaved", rotary.Interleaved ? 1 : 0),
            NodeAttributes.Of("num_heads", rotated == site.HeadSize ? 0 : count),
            NodeAttributes.Of("rotary_embedding_dim", rotated == site.HeadSize ? 0 : rotated));
    }

    private static Value Attend(OpEmitter emit, Value query, Value key, Value value, AttentionSite site, SequenceFacts sequence)
    {
        (long groups, long stacked, long size) = (site.KeyValueHeads, site.QueryHeads / site.KeyValueHeads, site.HeadSize);
        Value q = StackedHeads(emit, query, groups, stacked, size);
        Value k = Heads(emit, key, groups, size);
        Value v = Heads(emit, value, groups, size);
        Value scores = emit.FusedMatMul(q, k, transposeB: true, alpha: site.Scale).As(Batch, groups, Stacked, Sequence);
        // [b, G, r * s, s] -> [b, G, r, s, s]: both last dimensions are s, so 0 may copy the one and -1 infer the other.
        Value unstacked = emit.Reshape(scores, 0, 0, stacked, 0, -1).As(Batch, groups, stacked, Sequence, Sequence);
        Value masked = emit.Add(SoftCap.Apply(emit, unstacked, site), sequence.ScoreMask(site.Core.Attributes.Int("local_window_size", -1)));
        Value probabilities = emit.Op("Softmax", [masked], NodeAttributes.Of("axis", -1L)).As(Batch, groups, stacked, Sequence, Sequence);
        Value restacked = emit.Reshape(probabilities, 0, 0, -1, 0).As(Batch, groups, Stacked, Sequence);
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
