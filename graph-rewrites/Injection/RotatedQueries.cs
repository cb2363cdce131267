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
    private const int LengthsInput = 5;
    private const int PositionsInput = 9;
    private readonly Dictionary<(Value, Value), Value> _positions = [];

    /// <summary>Emits the queries of a layer.</summary>
    public Value Of(OpEmitter emit, AttentionSite site)
    {
        (long groups, long shared, long size) = (site.KeyValueHeads, site.QueryHeads / site.KeyValueHeads, site.HeadSize);
        if (site.QueryOperand.IsHeadMajor)
        {
            return emit.Reshape(site.QueryOperand.Value, 0, groups, -1, size);
        }
        Value rotated = Rotate(emit, Normalize(emit, Unpacked(emit, site), site), site);
        Value byHead = emit.Transpose(emit.Reshape(rotated, 0, 0, groups, shared, size), 0, 2, 3, 1, 4);
        return emit.Reshape(byHead, 0, 0, -1, size);
    }

    private static Value Unpacked(OpEmitter emit, AttentionSite site) =>
        site.Core.Input(1) is null ? emit.Slice(site.QueryOperand.Value, -1, 0, site.Query.Count) : site.QueryOperand.Value;

    private static Value Normalize(OpEmitter emit, Value query, AttentionSite site)
    {
        if (site.QueryNormalization is not { } normalization)
        {
            return query;
        }
        Value apart = emit.Reshape(query, 0, -1, site.QueryHeads, site.HeadSize);
        return emit.Reshape(emit.SimplifiedLayerNormalization(apart, normalization.Weight, normalization.Epsilon), 0, -1, site.Query.Count);
    }

    private Value Rotate(OpEmitter emit, Value query, AttentionSite site)
    {
        if (site.Rotary is not { } rotary)
        {
            return query;
        }
        long rotated = 2 * (Constants.Of(rotary.Cosines)?.Shape[^1] ?? site.HeadSize / 2);
        bool whole = rotated == site.HeadSize;
        return emit.MicrosoftOp("RotaryEmbedding", [query, PositionsOf(emit, site, query), rotary.Cosines, rotary.Sines],
            NodeAttributes.Of("interleaved", rotary.Interleaved ? 1 : 0),
            NodeAttributes.Of("num_heads", whole ? 0 : site.QueryHeads),
            NodeAttributes.Of("rotary_embedding_dim", whole ? 0 : rotated));
    }

    /// <summary>Positions as the node counts them: those it is given, else from the tokens that lie before, which is the total length - 1 less the new ones, 0 in a padded prompt.</summary>
    private Value PositionsOf(OpEmitter emit, AttentionSite site, Value query)
    {
        if (site.Core.Input(PositionsInput) is { } given)
        {
            return given;
        }
        Value lengths = site.Core.Input(LengthsInput) ?? throw new ModelRefusedException("The attention node has neither positions nor lengths", site.Core.ToString());
        (Value, Value) key = (lengths, graph.Find("input_ids") ?? query);
        if (!_positions.TryGetValue(key, out Value? positions))
        {
            positions = CountedFrom(new OpEmitter(graph, "aligner.positions"), lengths, key.Item2);
            _positions.Add(key, positions);
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
