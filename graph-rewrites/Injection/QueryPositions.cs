using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// Positions of the queries, as GroupQueryAttention counts them inside: token i of s stands at max(keys of its row - s, 0) + i. The keys of a row are counted from the
/// mask, so that padding on the right and a cache are right. Neither Shape nor Range: on a GPU these would move values to the host and keep the graph from being captured.
/// </summary>
internal sealed class QueryPositions(OnnxModel model)
{
    private const string InputIds = "input_ids";
    private const string Prefix = "aligner.positions";

    private readonly Dictionary<Value, Value> _known = [];

    /// <summary>The positions that a layer's attention gives its queries, int64 [b, s].</summary>
    /// <exception cref="ModelRefusedException">The graph does not say where its tokens stand.</exception>
    public Value Of(AttentionSite site)
    {
        if (site.Rotary?.PositionIds is { } given)
        {
            return given;
        }
        Value lengths = site.Rotary?.SequenceLengths
            ?? throw new ModelRefusedException($"The positions of layer {site.Layer}'s queries cannot be found", $"{model.Path}, {site.Core}", "neither lengths nor positions", "one of the two");
        if (!_known.TryGetValue(lengths, out Value? positions))
        {
            positions = FromLengths(lengths);
            _known.Add(lengths, positions);
        }
        return positions;
    }

    /// <summary>From the number of keys in each row less one, int32 [b] or [b, 1].</summary>
    private Value FromLengths(Value lengths)
    {
        OpEmitter emit = new(model.Graph, Prefix);
        Value ids = model.Graph.Find(InputIds) is { IsGraphInput: true } found
            ? found
            : throw new ModelRefusedException("The model lacks an input that positions are counted from", model.Path, $"no input '{InputIds}'", "token ids [b, s]");
        Value ones = emit.Cast(emit.Op("Equal", [ids, ids]), DataType.Int64);
        Value steps = emit.Op("CumSum", [ones, emit.Integer(1)], NodeAttributes.Of("exclusive", 1L));
        Value keys = emit.Add(emit.Reshape(emit.Cast(lengths, DataType.Int64), -1, 1), emit.Integers([1]));
        Value past = emit.Op("Max", [emit.Sub(keys, emit.ReduceSum(ones, keepDimensions: true, 1)), emit.Integers([0])]);
        return emit.Add(past, steps);
    }
}
