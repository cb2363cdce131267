using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// Values that all lowered attention nodes share: positions and masks of whole sequences without a cache. A line of the batch holds one sequence or several behind
/// each other; attention_mask numbers them 1, 2, ... and is 0 on padding, which comes last. Positions count from 0 in every sequence, and none sees another.
/// Where tokens of an adapter lead the line, they stand at positions 0 .. N - 1, every sequence sees them, and its own positions count from N.
/// </summary>
internal sealed class SequenceFacts
{
    private const long AllKeys = -1;

    private readonly OpEmitter _emit;
    private readonly Value _inputIds;
    private readonly Value _attentionMask;
    private readonly int _leadingTokens;
    private readonly Value _places;
    private readonly Value _sameSequence;
    private readonly Dictionary<long, Value> _masks = [];

    /// <param name="graph">The graph.</param>
    /// <param name="inputIds">[b, s].</param>
    /// <param name="attentionMask">[b, s].</param>
    /// <param name="leadingTokens">N where N tokens of an adapter lead each line, numbered as the first sequence; 0 for none.</param>
    public SequenceFacts(OnnxGraph graph, Value inputIds, Value attentionMask, int leadingTokens = 0)
    {
        _leadingTokens = leadingTokens;
        _emit = new OpEmitter(graph, "aligner.sequence");
        _inputIds = inputIds;
        _attentionMask = attentionMask;
        Value length = _emit.Op("Gather", [_emit.Op("Shape", [_inputIds]), _emit.Integer(1)], NodeAttributes.Of("axis", 0L));
        _places = _emit.Op("Range", [_emit.Integer(0), length, _emit.Integer(1)]);
        _sameSequence = _emit.Op("Equal", [_emit.Op("Unsqueeze", [_attentionMask, _emit.Integers([1])]), _emit.Op("Unsqueeze", [_attentionMask, _emit.Integers([2])])]);
        Positions = _emit.Sub(_places, FirstPlaces());
    }

    /// <summary>The position of every token in its sequence, int64 [b, s].</summary>
    public Value Positions { get; }

    /// <summary>What is added to scores [b, H, s, s]: 0 where a query may see a key, the lowest float where not.</summary>
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

    /// <summary>Where positions of each token count from: the first key of the same sequence, less the tokens that lead every sequence.</summary>
    private Value FirstPlaces()
    {
        Value same = _emit.Op("Cast", [_sameSequence], NodeAttributes.Of("to", (long)DataType.Int32));
        Value first = _emit.Op("ArgMax", [same], NodeAttributes.Of("axis", -1L), NodeAttributes.Of("keepdims", 0L));
        return _leadingTokens == 0 ? first : _emit.Op("Max", [_emit.Sub(first, _emit.Integer(_leadingTokens)), _emit.Integer(0)]);
    }

    private Value BuildMask(long window)
    {
        Value keys = _emit.Op("Unsqueeze", [_places, _emit.Integers([0])]);
        Value queries = _emit.Op("Unsqueeze", [_places, _emit.Integers([1])]);
        Value visible = _emit.Op("LessOrEqual", [keys, queries]);
        if (window != AllKeys)
        {
            visible = _emit.Op("And", [visible, _emit.Op("Greater", [keys, _emit.Sub(queries, _emit.Integer(window))])]);
        }
        Value seen = _emit.Op("And", [_sameSequence, visible]);
        if (_leadingTokens > 0)
        {
            seen = _emit.Op("Or", [seen, _emit.Op("Less", [keys, _emit.Integer(_leadingTokens)])]);
        }
        Value mask = _emit.Op("Where", [seen, _emit.Scalar(0), _emit.Scalar(float.MinValue)]);
        return _emit.Op("Unsqueeze", [mask, _emit.Integers([1])]);
    }
}
