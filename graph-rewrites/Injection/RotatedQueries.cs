using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The queries of a layer as its own scores see them: normalised and rotated, also where the attention node does that inside. Heads that share keys are stacked:
/// [b, G, r * s, head size].
/// </summary>
internal sealed class RotatedQueries(OnnxGraph graph)
{
    private readonly Dictionary<Value, Value> _positions = [];

    /// <summary>
    /// Whether the queries come with the scale of scores: in float16, where the first operator that reads them must be one that ONNX Runtime's CPU computes in float32, or the operator
    /// before them is computed in float16 on their account, and the base model's last bits change.
    /// </summary>
    public static bool AreScaled(AttentionSite site) => site.ElementType == DataType.Float16;

    /// <summary>What scores are multiplied by.</summary>
    public static Value Scale(OpEmitter emit, AttentionSite site) => emit.Scalar(site.Scale / site.QueryOperand!.Factor, site.ElementType);

    /// <summary>Emits the queries of a layer.</summary>
    /// <exception cref="ModelRefusedException">The queries cannot be reached from outside the attention node.</exception>
    public Value Of(OpEmitter emit, AttentionSite site)
    {
        (long groups, long shared, long size) = (site.KeyValueHeads, site.QueryHeads / site.KeyValueHeads, site.HeadSize);
        if (site.QueryObstacle is { } obstacle)
        {
            throw new ModelRefusedException($"Layer {site.Layer} takes only one-token slots: {obstacle}", site.Core.ToString(), remedy: "patch with --slots one-token");
        }
        QueryOperand operand = site.QueryOperand is { Interleaved: false, Layout: not HeadLayout.Flat } found ? found
            : throw new ModelRefusedException($"Layer {site.Layer} takes only one-token slots: its queries cannot be reached outside the attention node", site.Core.ToString(), remedy: "patch with --slots one-token");
        if (operand.Layout == HeadLayout.HeadMajor)
        {
            // A core with heads apart neither normalises nor rotates, and adds no bias.
            return emit.Reshape(Scaled(emit, operand.Value, site), 0, groups, -1, size);
        }
        Value rotated = Scaled(emit, Rotate(emit, Normalize(emit, InSequence(emit, operand, site), site), site), site);
        Value byHead = emit.Transpose(emit.Reshape(rotated, 0, 0, groups, shared, size), 0, 2, 3, 1, 4);
        return emit.Reshape(byHead, 0, 0, -1, size);
    }

    private static Value Scaled(OpEmitter emit, Value query, AttentionSite site) => AreScaled(site) ? emit.Mul(query, Scale(emit, site)) : query;

    /// <summary>[b, s, H * head size], out of a packed value and with the bias that the core adds.</summary>
    private static Value InSequence(OpEmitter emit, QueryOperand operand, AttentionSite site)
    {
        Value query = operand.Layout == HeadLayout.SequenceHeads ? emit.Reshape(operand.Value, 0, 0, site.Query.Count)
            : operand.IsPacked ? emit.Slice(operand.Value, -1, operand.First, site.Query.Count)
            : operand.Value;
        return operand.Bias is { } bias ? emit.Add(query, emit.Slice(bias, 0, 0, site.Query.Count)) : query;
    }

    private static Value Normalize(OpEmitter emit, Value query, AttentionSite site)
    {
        if (site.QueryNormalization is not { } normalization || site.QueryOperand!.IsNormalised)
        {
            return query;
        }
        Value apart = normalization.PerHead ? emit.Reshape(query, 0, 0, site.QueryHeads, site.HeadSize) : query;
        return emit.Reshape(emit.SimplifiedLayerNormalization(apart, normalization.Weight, normalization.Epsilon), 0, 0, site.Query.Count);
    }

    private Value Rotate(OpEmitter emit, Value query, AttentionSite site)
    {
        if (site.Rotary is not { } rotary || site.QueryOperand!.IsRotated)
        {
            return query;
        }
        bool whole = rotary.RotatedSize == site.HeadSize;
        return emit.MicrosoftOp("RotaryEmbedding", [query, PositionsOf(rotary, site, query), rotary.Cosines, rotary.Sines],
            NodeAttributes.Of("interleaved", rotary.Interleaved ? 1 : 0),
            NodeAttributes.Of("num_heads", whole ? 0 : site.QueryHeads),
            NodeAttributes.Of("rotary_embedding_dim", whole ? 0L : rotary.RotatedSize));
    }

    /// <summary>Positions as the node counts them: those it is given, else from the tokens that lie before, which is the total length - 1 less the new ones, 0 in a padded prompt.</summary>
    private Value PositionsOf(RotaryFacts rotary, AttentionSite site, Value query)
    {
        if (rotary.PositionIds is { } given)
        {
            return given;
        }
        Value lengths = rotary.SequenceLengths ?? throw new ModelRefusedException("The attention node has neither positions nor lengths", site.Core.ToString());
        if (!_positions.TryGetValue(lengths, out Value? positions))
        {
            positions = CountedFrom(new OpEmitter(graph, "aligner.positions"), lengths, graph.Find("input_ids") ?? query);
            _positions.Add(lengths, positions);
        }
        return positions;
    }

    private static Value CountedFrom(OpEmitter emit, Value lengths, Value tokens)
    {
        Value one = emit.Integer(1);
        Value count = emit.Op("Gather", [emit.Op("Shape", [tokens]), one], NodeAttributes.Of("axis", 0L));
        Value last = emit.Op("Cast", [lengths], NodeAttributes.Of("to", (long)DataType.Int64));
        Value before = emit.Op("Max", [emit.Sub(emit.Add(last, one), count), emit.Integer(0)]);
        Value column = emit.Reshape(before, -1, 1);
        return emit.Add(column, emit.Op("Range", [emit.Integer(0), count, one]));
    }
}
