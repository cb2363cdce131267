using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// GroupQueryAttention over a whole sequence, in differentiable operators:
/// softmax(scale * rotary(q) rotary(k)^T + mask) v, the r = H / G query heads of a group stacked along the sequence so that keys are never repeated.
/// </summary>
internal static class GroupQueryAttentionLowering
{
    private const int MaskInput = 10;
    private const int SinkInput = 11;

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
        Value rotatedQuery = Rotate(emit, query, site, site.QueryHeads, sequence);
        Value rotatedKey = Rotate(emit, key, site, site.KeyValueHeads, sequence);
        Value attended = Attend(emit, rotatedQuery, rotatedKey, value, site, sequence);
        attended.Type = Shapes.Declare(DataType.Float, "batch", "sequence", site.Query.Count);
        OnnxGraph.ReplaceUses(site.Core.Output, attended);
        return new LoweredSite(site, rotatedQuery, attended);
    }

    private static (Value Query, Value Key, Value Value) Sources(OpEmitter emit, AttentionSite site)
    {
        if (site.Query.IsWhole)
        {
            return (site.Query.Projection.Result, site.Key.Projection.Result, site.Value.Projection.Result);
        }
        Value[] parts = emit.Split(site.Query.Projection.Result, axis: 2, site.Query.Count, site.Key.Count, site.Value.Count);
        return (parts[0], parts[1], parts[2]);
    }

    private static Value Rotate(OpEmitter emit, Value heads, AttentionSite site, int count, SequenceFacts sequence)
    {
        if (site.Rotary is not { } rotary)
        {
            return heads;
        }
        long rotated = 2 * (rotary.Cosines.Initializer?.Shape[^1] ?? site.HeadSize / 2);
        return emit.MicrosoftOp("RotaryEmbedding", [heads, sequence.FirstPosition, rotary.Cosines, rotary.Sines],
            NodeAttributes.Of("interleaved", rotary.Interleaved ? 1 : 0),
            NodeAttributes.Of("num_heads", rotated == site.HeadSize ? 0 : count),
            NodeAttributes.Of("rotary_embedding_dim", rotated == site.HeadSize ? 0 : rotated));
    }

    private static Value Attend(OpEmitter emit, Value query, Value key, Value value, AttentionSite site, SequenceFacts sequence)
    {
        long groups = site.KeyValueHeads;
        long stacked = site.QueryHeads / groups;
        long size = site.HeadSize;
        Value q = emit.Reshape(emit.Transpose(emit.Reshape(query, 0, 0, groups, stacked, size), 0, 2, 3, 1, 4), 0, 0, -1, size);
        Value k = emit.Transpose(emit.Reshape(key, 0, 0, groups, size), 0, 2, 1, 3);
        Value v = emit.Transpose(emit.Reshape(value, 0, 0, groups, size), 0, 2, 1, 3);
        Value scores = emit.FusedMatMul(q, k, transposeB: true, alpha: site.Scale);
        // [b, G, r * s, s] -> [b, G, r, s, s]: both last dimensions are s, so 0 may copy the one and -1 infer the other.
        Value unstacked = emit.Reshape(scores, 0, 0, stacked, 0, -1);
        unstacked.Type = Shapes.Declare(DataType.Float, "batch", groups, stacked, "queries", "keys");
        Value capped = SoftCap.Apply(emit, unstacked, site);
        Value masked = emit.Add(capped, sequence.ScoreMask(site.Core.Attributes.Int("local_window_size", -1)));
        Value probabilities = emit.Op("Softmax", [masked], NodeAttributes.Of("axis", -1L));
        Value restacked = emit.Op("Reshape", [probabilities, emit.Op("Shape", [scores])]);
        Value mixed = emit.Reshape(emit.MatMul(restacked, v), 0, 0, stacked, -1, size);
        Value ordered = emit.Transpose(mixed, 0, 3, 1, 2, 4);
        return emit.Op("Reshape", [ordered, sequence.Shape(groups * stacked * size)]);
    }
}
