using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// Values that all lowered attention nodes share: positions and masks of a whole sequence without a cache. Rows are padded on the right, so
/// positions count from 0 in every row.
/// </summary>
internal sealed class SequenceFacts
{
    private readonly OpEmitter _emit;
    private readonly Value _inputIds;
    private readonly Value _attentionMask;
    private readonly Dictionary<long, Value> _masks = [];

    public SequenceFacts(OnnxGraph graph, Value inputIds, Value attentionMask)
    {
        _emit = new OpEmitter(graph, "aligner.sequence");
        _inputIds = inputIds;
        _attentionMask = attentionMask;
        // A single position is what RotaryEmbedding calls an offset: positions 0 .. s-1 of every row.
        FirstPosition = _emit.Integers([0]);
    }

    /// <summary>The position of the first element of every row, int64 [1].</summary>
    public Value FirstPosition { get; }

    /// <summary>What is added to scores [b, G, r, s, s]: 0 where a query may see a key, the lowest float where not.</summary>
    /// <param name="window">How many positions a query sees, itself included; -1 for all.</param>
    public Value ScoreMask(long window)
    {
        if (!_masks.TryGetValue(window, out Value? mask))
        {
            mask = BuildMask(window);
            _masks.Add(window, mask);
        }
        return mask;
    }

    /// <summary>The shape [b, s, size] as a value, for Reshape.</summary>
    public Value Shape(long size)
    {
        string name = $"aligner.sequence.shape.{size}";
        return _emit.Graph.Find(name) ?? _emit.Graph.AddNode(
            "Concat", Domains.Standard, name, [_emit.Op("Shape", [_inputIds]), _emit.Integers([size])], [name], NodeAttributes.Of("axis", 0L)).Output;
    }

    private Value BuildMask(long window)
    {
        Value length = _emit.Op("Gather", [_emit.Op("Shape", [_inputIds]), Index(1)], NodeAttributes.Of("axis", 0L));
        Value positions = _emit.Op("Range", [Index(0), length, Index(1)]);
        Value keys = _emit.Op("Unsqueeze", [positions, _emit.Integers([0])]);
        Value queries = _emit.Op("Unsqueeze", [positions, _emit.Integers([1])]);
        Value visible = _emit.Op("LessOrEqual", [keys, queries]);
        if (window > 0)
        {
            visible = _emit.Op("And", [visible, _emit.Op("Greater", [keys, _emit.Sub(queries, Index(window))])]);
        }
        Value real = _emit.Op("Cast", [_emit.Op("Unsqueeze", [_attentionMask, _emit.Integers([1, 2, 3])])], NodeAttributes.Of("to", (long)DataType.Bool));
        return _emit.Op("Where", [_emit.Op("And", [real, visible]), _emit.Scalar(0), _emit.Scalar(float.MinValue)]);
    }

    private Value Index(long number)
    {
        string name = $"aligner.sequence.index.{number}";
        return _emit.Graph.Find(name) ?? _emit.Graph.AddInitializer(Tensor.Of(name, [number]));
    }
}
