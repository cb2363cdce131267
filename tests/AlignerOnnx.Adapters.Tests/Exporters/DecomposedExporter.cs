using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>How key/value heads reach the query heads that share them.</summary>
internal enum RepeatForm
{
    /// <summary>Unsqueeze, Expand to sizes of the graph, Reshape (transformers' repeat_kv).</summary>
    Expand,

    /// <summary>Unsqueeze, Tile, Reshape.</summary>
    Tile,

    /// <summary>Gather of heads by a list of indices (repeat_interleave).</summary>
    Gather,

    /// <summary>Queries in five dimensions meet keys with a dimension of one.</summary>
    Broadcast,
}

/// <summary>Where scores are scaled.</summary>
internal enum ScaleForm
{
    Mul,
    Div,
    Queries,
    BothSides,
    FusedAlpha,
}

/// <summary>How later keys are hidden.</summary>
internal enum MaskForm
{
    Add,
    Where,
    AddGuarded,
}

/// <summary>How a root-mean-square normalization is written.</summary>
internal enum RmsForm
{
    Div,
    ReciprocalMul,
    OneOverSqrt,
    Operator,
}

/// <summary>How a rotary embedding is written.</summary>
internal enum RotaryForm
{
    /// <summary>x cos + Concat(-upper, lower) sin, by Slice.</summary>
    Slices,

    /// <summary>The same by Split.</summary>
    Split,

    /// <summary>Neighbours: Reshape to pairs, Gather, Concat.</summary>
    Pairs,

    /// <summary>x1 cos - x2 sin, x2 cos + x1 sin, Concat (torch.chunk).</summary>
    Halves,

    /// <summary>com.microsoft RotaryEmbedding in four dimensions.</summary>
    Fused,
}

/// <summary>How a column of sinks stands beside the scores.</summary>
internal enum SinkForm
{
    /// <summary>Behind them, the largest score subtracted from all (transformers).</summary>
    Behind,

    /// <summary>Behind them, as they are.</summary>
    Unshifted,

    /// <summary>Before them.</summary>
    Before,
}

/// <summary>What meets queries, keys and values.</summary>
internal enum CoreForm
{
    /// <summary>MatMul, Softmax, MatMul.</summary>
    Elementary,

    /// <summary>ai.onnx Attention of four dimensions, heads repeated before it.</summary>
    Standard,

    /// <summary>The same, heads shared inside.</summary>
    StandardShared,

    /// <summary>com.microsoft MultiHeadAttention.</summary>
    MultiHead,
}

/// <summary>What the exporter does.</summary>
internal sealed record DecomposedOptions
{
    public CoreForm Core { get; init; }

    public long Opset { get; init; } = 17;

    public RepeatForm Repeat { get; init; }

    public ScaleForm Scale { get; init; }

    public MaskForm Mask { get; init; }

    public RmsForm Rms { get; init; }

    public SinkForm Sinks { get; init; }

    public RotaryForm Rotary { get; init; }

    public bool IsPacked { get; init; }

    /// <summary>What is rotated is cut off before heads come first.</summary>
    public bool CutsInSequence { get; init; }

    /// <summary>Query heads, key and value of each group stand side by side in one projection (InternLM2).</summary>
    public bool IsPackedByGroup { get; init; }

    public bool HasCache { get; init; } = true;

    /// <summary>Softmax and normalizations in float32 inside a float16 graph.</summary>
    public bool Widens { get; init; }

    /// <summary>Heads flattened into the batch around the products (torch.bmm).</summary>
    public bool Flattens { get; init; }

    /// <summary>Sizes of Reshapes computed from Shape, as TorchScript does it, rather than 0 and -1.</summary>
    public bool ComputesSizes { get; init; }
}

/// <summary>Attention in elementary operators: Optimum, torch.onnx (TorchScript and dynamo), onnx-community.</summary>
internal sealed class DecomposedExporter(DecoderFacts facts, DecoderWeights weights, WeightStorage storage, DecomposedOptions options) : Exporter(facts, weights, storage)
{
    private string _mask = "";
    private string _localMask = "";
    private string _batch = "";
    private string _length = "";
    private readonly (string Cosines, string Sines)[] _angles = new (string, string)[2];

    protected override long IrVersion => options.Opset < 18 ? 8 : 10;

    protected override long Opset => options.Opset;

    protected override void Begin()
    {
        if (options.HasCache)
        {
            Graph.Input("attention_mask", DataType.Int64, "batch_size", "past_sequence_length + sequence_length");
        }
        else
        {
            Graph.Input("attention_mask", DataType.Int64, "batch_size", "sequence_length");
        }
        Graph.Input("position_ids", DataType.Int64, "batch_size", "sequence_length");
        string ids = Graph.Op("Shape", "input_ids");
        (_batch, _length) = (Part(ids, 0), Part(ids, 1));
        for (int layer = 0; layer < 2; layer++)
        {
            _angles[layer] = Angles(layer);
        }
        _mask = ScoreMask(-1);
        _localMask = Facts.Window > 0 ? ScoreMask(Facts.Window) : _mask;
    }

    protected override string Normalise(string x, Norm norm)
    {
        if (options.Rms == RmsForm.Operator)
        {
            return norm.Bias is null
                ? Graph.Op("RMSNormalization", [x, Graph.Floats(norm.Weight, norm.Weight.Length)], NodeAttributes.Of("epsilon", DecoderFacts.Epsilon), NodeAttributes.Of("axis", -1L))
                : Graph.Op("LayerNormalization", [x, Graph.Floats(norm.Weight, norm.Weight.Length), Graph.Floats(norm.Bias, norm.Weight.Length)], NodeAttributes.Of("epsilon", DecoderFacts.Epsilon), NodeAttributes.Of("axis", -1L));
        }
        string wide = options.Widens ? Graph.Op("Cast", [x], NodeAttributes.Of("to", (long)DataType.Float)) : x;
        string Wide(float number) => options.Widens ? Graph.Floats([number], DataType.Float, []) : Graph.Number(number);
        if (norm.Bias is { } bias)
        {
            string deviation = Graph.Op("Sub", wide, Mean(wide));
            string variance = Graph.Op("Add", Mean(Graph.Op("Pow", deviation, Wide(2))), Wide(DecoderFacts.Epsilon));
            string centred = Graph.Op("Div", deviation, Graph.Op("Sqrt", variance));
            return Graph.Op("Add", Graph.Op("Mul", centred, Graph.Floats(norm.Weight, norm.Weight.Length)), Graph.Floats(bias, bias.Length));
        }
        string root = Graph.Op("Sqrt", Graph.Op("Add", Mean(options.Rms == RmsForm.OneOverSqrt ? Graph.Op("Mul", wide, wide) : Graph.Op("Pow", wide, Wide(2))), Wide(DecoderFacts.Epsilon)));
        string normal = options.Rms switch
        {
            RmsForm.Div => Graph.Op("Div", wide, root),
            RmsForm.ReciprocalMul => Graph.Op("Mul", wide, Graph.Op("Reciprocal", root)),
            _ => Graph.Op("Mul", wide, Graph.Op("Div", Wide(1), root)),
        };
        string narrow = options.Widens ? Graph.Op("Cast", [normal], NodeAttributes.Of("to", (long)Facts.Type)) : normal;
        return Graph.Op("Mul", Graph.Floats(norm.Weight, norm.Weight.Length), narrow);
    }

    protected override string Attention(int layer, string h)
    {
        LayerWeights w = Weights.Layers[layer];
        (string q, string k, string v) = Projections(h, w);
        string queries = Turn(layer, Apart(q, Facts.Heads, w.QueryNorm), w.QueryNorm);
        string keys = Turn(layer, Apart(k, Facts.KeyValueHeads, w.KeyNorm), w.KeyNorm);
        string values = HeadsFirst(Apart(v, Facts.KeyValueHeads, norm: null));
        if (options.HasCache)
        {
            (string pastKey, string pastValue) = PastInputs(layer);
            (string presentKey, string presentValue) = PresentOutputs(layer);
            keys = Graph.Ops("Concat", [pastKey, keys], [presentKey], NodeAttributes.Of("axis", -2L))[0];
            values = Graph.Ops("Concat", [pastValue, values], [presentValue], NodeAttributes.Of("axis", -2L))[0];
        }
        if (options.Core == CoreForm.MultiHead)
        {
            string[] operands = [Flatten(queries), Flatten(Repeat(keys)), Flatten(Repeat(values)), "", "", MaskOf(layer)];
            return Project(Graph.Op("com.microsoft.MultiHeadAttention", operands, NodeAttributes.Of("num_heads", (long)Facts.Heads), NodeAttributes.Of("scale", Facts.ScoreScale)), w.Output);
        }
        string mixed = options.Core == CoreForm.Elementary ? Attend(layer, queries, Repeat(keys), Repeat(values)) : Attend(layer, queries, keys, values, options.Core == CoreForm.StandardShared);
        string inSequence = Graph.Op("Transpose", [mixed], NodeAttributes.Of("perm", 0, 2, 1, 3));
        return Project(Graph.Op("Reshape", inSequence, Sizes(Facts.QuerySize)), w.Output);
    }

    private (string Query, string Key, string Value) Projections(string h, LayerWeights w)
    {
        if (options.IsPackedByGroup)
        {
            return ProjectionsByGroup(h, w);
        }
        if (!options.IsPacked)
        {
            return (Project(h, w.Query), Project(h, w.Key), Project(h, w.Value));
        }
        string packed = Project(h, w.Query, w.Key, w.Value);
        string Cut(long first, long count) => Graph.Op("Slice", packed, Graph.Integers(first), Graph.Integers(first + count), Graph.Integers(2), Graph.Integers(1));
        return (Cut(0, Facts.QuerySize), Cut(Facts.QuerySize, Facts.KeySize), Cut(Facts.QuerySize + Facts.KeySize, Facts.KeySize));
    }

    private (string Query, string Key, string Value) ProjectionsByGroup(string h, LayerWeights w)
    {
        (int shared, int size) = (Facts.Heads / Facts.KeyValueHeads, Facts.HeadSize);
        string packed = Project(h, [.. Enumerable.Range(0, Facts.KeyValueHeads).SelectMany(group => new[] { w.Query.Part(group * shared * size, shared * size), w.Key.Part(group * size, size), w.Value.Part(group * size, size) })]);
        string apart = Graph.Op("Reshape", packed, Sizes(Facts.KeyValueHeads, shared + 2, size));
        string queries = Graph.Op("Slice", apart, Graph.Integers(0), Graph.Integers(-2), Graph.Integers(3));
        string keys = Graph.Op("Gather", [apart, Graph.Integer(shared)], NodeAttributes.Of("axis", 3L));
        string values = Graph.Op("Gather", [apart, Graph.Integer(-1)], NodeAttributes.Of("axis", 3L));
        return (Graph.Op("Reshape", queries, Sizes(Facts.QuerySize)), Graph.Op("Reshape", keys, Sizes(Facts.KeySize)), Graph.Op("Reshape", values, Sizes(Facts.KeySize)));
    }

    private string HeadsFirst(string heads) => Graph.Op("Transpose", [heads], NodeAttributes.Of("perm", 0, 2, 1, 3));

    private string Apart(string heads, int count, float[]? norm)
    {
        string whole = norm is not null && Facts.HeadNorm == HeadNorm.Whole ? Normalise(heads, new Norm(norm, null)) : heads;
        string apart = Graph.Op("Reshape", whole, Sizes(count, Facts.HeadSize));
        return norm is not null && Facts.HeadNorm == HeadNorm.PerHead && !Facts.NormalisesRotated ? Normalise(apart, new Norm(norm, null)) : apart;
    }

    private string Turn(int layer, string heads, float[] norm)
    {
        string turned = !Facts.IsRotated(layer) ? HeadsFirst(heads) : Facts.RotatedSize == Facts.HeadSize || options.Rotary == RotaryForm.Fused ? Rotate(layer, HeadsFirst(heads)) : RotatePart(layer, heads);
        return Facts.NormalisesRotated && Facts.HeadNorm == HeadNorm.PerHead ? Normalise(turned, new Norm(norm, null)) : turned;
    }

    private string RotatePart(int layer, string heads)
    {
        string whole = options.CutsInSequence ? heads : HeadsFirst(heads);
        string[] parts = options.Rotary == RotaryForm.Split
            ? Graph.Ops("Split", [whole, Graph.Integers(Facts.RotatedSize, Facts.HeadSize - Facts.RotatedSize)], Graph.Names(2), NodeAttributes.Of("axis", -1L))
            : [Cut(whole, 0, Facts.RotatedSize), Cut(whole, Facts.RotatedSize, long.MaxValue)];
        parts = options.CutsInSequence ? [.. parts.Select(HeadsFirst)] : parts;
        return Graph.Op("Concat", [Rotate(layer, parts[0]), parts[1]], NodeAttributes.Of("axis", -1L));
    }

    private string Rotate(int layer, string x)
    {
        (string cos, string sin) = _angles[layer % 2];
        long half = Facts.RotatedSize / 2;
        switch (options.Rotary)
        {
            case RotaryForm.Fused:
                (float[] cosines, float[] sines) = Facts.Angles(layer);
                return Graph.Op("com.microsoft.RotaryEmbedding", [x, "position_ids", Graph.Floats(cosines, DecoderFacts.Context, half), Graph.Floats(sines, DecoderFacts.Context, half)],
                    NodeAttributes.Of("interleaved", Facts.InterleavedRotary ? 1L : 0), NodeAttributes.Of("num_heads", half * 2 == Facts.HeadSize ? 0L : 1), NodeAttributes.Of("rotary_embedding_dim", half * 2 == Facts.HeadSize ? 0L : half * 2));
            case RotaryForm.Split:
                string[] parts = Graph.Ops("Split", [x, Graph.Integers(half, half)], Graph.Names(2), NodeAttributes.Of("axis", -1L));
                return Turned(x, Graph.Op("Concat", [Graph.Op("Neg", parts[1]), parts[0]], NodeAttributes.Of("axis", -1L)), cos, sin);
            case RotaryForm.Halves:
                (string lower, string upper) = (Cut(x, 0, half), Cut(x, half, long.MaxValue));
                (string c, string s) = (Cut(cos, 0, half), Cut(sin, 0, half));
                string first = Graph.Op("Sub", Graph.Op("Mul", lower, c), Graph.Op("Mul", upper, s));
                string second = Graph.Op("Add", Graph.Op("Mul", upper, c), Graph.Op("Mul", lower, s));
                return Graph.Op("Concat", [first, second], NodeAttributes.Of("axis", -1L));
            case RotaryForm.Pairs:
                string pairs = Graph.Op("Reshape", x, Graph.Integers(0, 0, 0, half, 2));
                string Side(long index) => Graph.Op("Gather", [pairs, Graph.Integer(index)], NodeAttributes.Of("axis", -1L));
                string turned = Graph.Op("Concat", [Graph.Op("Unsqueeze", Graph.Op("Neg", Side(1)), Graph.Integers(-1)), Graph.Op("Unsqueeze", Side(0), Graph.Integers(-1))], NodeAttributes.Of("axis", -1L));
                return Turned(x, Graph.Op("Reshape", turned, Graph.Integers(0, 0, 0, 2 * half)), cos, sin);
            default:
                return Turned(x, Graph.Op("Concat", [Graph.Op("Neg", Cut(x, half, long.MaxValue)), Cut(x, 0, half)], NodeAttributes.Of("axis", -1L)), cos, sin);
        }
    }

    private string Turned(string x, string other, string cos, string sin) => Graph.Op("Add", Graph.Op("Mul", x, cos), Graph.Op("Mul", other, sin));

    private string Cut(string x, long first, long end) => Graph.Op("Slice", x, Graph.Integers(first), Graph.Integers(end), Graph.Integers(-1), Graph.Integers(1));

    private string Repeat(string heads)
    {
        (long groups, long shared, long size) = (Facts.KeyValueHeads, Facts.Heads / Facts.KeyValueHeads, Facts.HeadSize);
        if (shared == 1)
        {
            return heads;
        }
        string one = Graph.Op("Unsqueeze", heads, Graph.Integers(2));
        string all = Part(Graph.Op("Shape", heads), 2);
        string narrow = Graph.Op("Concat", [_batch, Graph.Integers(groups * shared), all, Graph.Integers(size)], NodeAttributes.Of("axis", 0L));
        switch (options.Repeat)
        {
            case RepeatForm.Broadcast:
                return one;
            case RepeatForm.Gather:
                return Graph.Op("Gather", [heads, Graph.Integers([.. Enumerable.Range(0, (int)(groups * shared)).Select(head => head / shared)])], NodeAttributes.Of("axis", 1L));
            case RepeatForm.Tile:
                return Graph.Op("Reshape", Graph.Op("Tile", one, Graph.Integers(1, 1, shared, 1, 1)), narrow);
            default:
                string wide = Graph.Op("Concat", [_batch, Graph.Integers(groups), Graph.Integers(shared), all, Graph.Integers(size)], NodeAttributes.Of("axis", 0L));
                string guarded = Graph.Op("Where", Graph.Op("Equal", wide, Graph.Integers(-1, -1, -1, -1, -1)), Graph.Op("ConstantOfShape", [Graph.Integers(5)], NodeAttributes.Of("value", Tensor.Of("", [1L], 1))), wide);
                return Graph.Op("Reshape", Graph.Op("Expand", one, guarded), narrow);
        }
    }

    private string Flatten(string heads) => Graph.Op("Reshape", Graph.Op("Transpose", [heads], NodeAttributes.Of("perm", 0, 2, 1, 3)), Graph.Integers(0, 0, Facts.QuerySize));

    private string MaskOf(int layer) => Facts.WindowOf(layer) > 0 ? _localMask : _mask;

    private string Attend(int layer, string q, string k, string v, bool isShared) => Graph.Op("Attention", [q, isShared ? k : Repeat(k), isShared ? v : Repeat(v), MaskOf(layer)],
        NodeAttributes.Of("scale", Facts.ScoreScale), NodeAttributes.Of("softcap", Facts.SoftCap));

    private string Attend(int layer, string q, string k, string v)
    {
        bool broadcasts = options.Repeat == RepeatForm.Broadcast && Facts.Heads != Facts.KeyValueHeads;
        if (broadcasts)
        {
            q = Graph.Op("Reshape", q, Graph.Op("Concat", [_batch, Graph.Integers(Facts.KeyValueHeads, Facts.Heads / Facts.KeyValueHeads), _length, Graph.Integers(Facts.HeadSize)], NodeAttributes.Of("axis", 0L)));
        }
        string keys = k;
        double scale = Facts.ScoreScale;
        if (options.Scale == ScaleForm.Queries)
        {
            q = Graph.Op("Mul", q, Graph.Number(scale));
        }
        if (options.Scale == ScaleForm.BothSides)
        {
            (q, keys) = (Graph.Op("Mul", q, Graph.Number(Math.Sqrt(scale))), Graph.Op("Mul", keys, Graph.Number(Math.Sqrt(scale))));
        }
        if (options.Flattens)
        {
            (q, keys, v) = (Flat(q), Flat(keys), Flat(v));
        }
        string turned = options.Scale == ScaleForm.FusedAlpha ? "" : Graph.Op("Transpose", [keys], broadcasts ? NodeAttributes.Of("perm", 0, 1, 2, 4, 3) : options.Flattens ? NodeAttributes.Of("perm", 0, 2, 1) : NodeAttributes.Of("perm", 0, 1, 3, 2));
        string scores = options.Scale switch
        {
            ScaleForm.FusedAlpha => Graph.Op("com.microsoft.FusedMatMul", [q, keys], NodeAttributes.Of("transB", 1L), NodeAttributes.Of("alpha", (float)scale)),
            ScaleForm.Mul => Graph.Op("Mul", Graph.Op("MatMul", q, turned), Graph.Number(scale)),
            ScaleForm.Div => Graph.Op("Div", Graph.Op("MatMul", q, turned), Graph.Number(1 / scale)),
            _ => Graph.Op("MatMul", q, turned),
        };
        if (Facts.SoftCap > 0)
        {
            scores = Graph.Op("Mul", Graph.Op("Tanh", Graph.Op("Div", scores, Graph.Number(Facts.SoftCap))), Graph.Number(Facts.SoftCap));
        }
        if (options.Flattens)
        {
            scores = Graph.Op("Reshape", scores, Graph.Op("Concat", [_batch, Graph.Integers(Facts.Heads), _length, Graph.Integers(-1)], NodeAttributes.Of("axis", 0L)));
        }
        string probabilities = Probabilities(layer, scores, broadcasts);
        string mixed = Graph.Op("MatMul", options.Flattens ? Flat(probabilities, keepsLast: true) : probabilities, v);
        return broadcasts || options.Flattens ? Graph.Op("Reshape", mixed, Graph.Op("Concat", [_batch, Graph.Integers(Facts.Heads), _length, Graph.Integers(Facts.HeadSize)], NodeAttributes.Of("axis", 0L))) : mixed;
    }

    private string Flat(string heads, bool keepsLast = false)
    {
        string last = keepsLast ? Part(Graph.Op("Shape", heads), 3) : Graph.Integers(Facts.HeadSize);
        string rows = Part(Graph.Op("Shape", heads), 2);
        return Graph.Op("Reshape", heads, Graph.Op("Concat", [Graph.Op("Mul", _batch, Graph.Integers(Facts.Heads)), rows, last], NodeAttributes.Of("axis", 0L)));
    }

    private string Probabilities(int layer, string scores, bool broadcasts)
    {
        string mask = broadcasts ? Graph.Op("Unsqueeze", MaskOf(layer), Graph.Integers(1)) : MaskOf(layer);
        string masked = options.Mask == MaskForm.Where ? Graph.Op("Where", mask, scores, Graph.Number(Lowest)) : Graph.Op("Add", scores, mask);
        string wide = options.Widens ? Graph.Op("Cast", [masked], NodeAttributes.Of("to", (long)DataType.Float)) : masked;
        string shares = Facts.HasSinks || Facts.SmoothSoftmax ? SharesBesideSinks(layer, wide, broadcasts) : Graph.Op("Softmax", [wide], NodeAttributes.Of("axis", -1L));
        if (options.Mask == MaskForm.AddGuarded)
        {
            shares = Graph.Op("Where", Graph.Op("IsNaN", shares), Graph.Number(0), shares);
        }
        return options.Widens ? Graph.Op("Cast", [shares], NodeAttributes.Of("to", (long)Facts.Type)) : shares;
    }

    /// <summary>A column of sinks joins the scores, the largest score is subtracted, and the share of the column is cut off (transformers' GPT-OSS).</summary>
    private string SharesBesideSinks(int layer, string scores, bool broadcasts)
    {
        DataType type = options.Widens ? DataType.Float : Facts.Type;
        long[] byHead = broadcasts ? [1, Facts.KeyValueHeads, Facts.Heads / Facts.KeyValueHeads, 1, 1] : [1, Facts.Heads, 1, 1];
        string sinks = Facts.HasSinks ? Graph.Floats(Weights.Layers[layer].Sinks, type, Facts.Heads) : Graph.Floats(new float[Facts.Heads], type, Facts.Heads);
        string rows = Graph.Op("Slice", Graph.Op("Shape", scores), Graph.Integers(0), Graph.Integers(-1));
        string column = Graph.Op("Expand", Graph.Op("Reshape", sinks, Graph.Integers(byHead)), Graph.Op("Concat", [rows, Graph.Integers(1)], NodeAttributes.Of("axis", 0L)));
        string joined = Graph.Op("Concat", options.Sinks == SinkForm.Before ? [column, scores] : [scores, column], NodeAttributes.Of("axis", -1L));
        string shifted = options.Sinks == SinkForm.Unshifted ? joined : Graph.Op("Sub", joined, options.Opset >= 18 ? Graph.Op("ReduceMax", joined, Graph.Integers(-1)) : Graph.Op("ReduceMax", [joined], NodeAttributes.Of("axes", [-1L])));
        string shares = Graph.Op("Softmax", [shifted], NodeAttributes.Of("axis", -1L));
        return options.Sinks == SinkForm.Before ? Cut(shares, 1, long.MaxValue) : Cut(shares, 0, -1);
    }

    private double Lowest => Facts.Type == DataType.Float16 ? -65504 : float.MinValue;

    /// <summary>[b, 1, s, total]: numbers to add, or truth where a query sees a key.</summary>
    private string ScoreMask(int window)
    {
        string total = Graph.Op("Gather", [Graph.Op("Shape", "attention_mask"), Graph.Integer(1)], NodeAttributes.Of("axis", 0L));
        string length = Graph.Op("Squeeze", _length, Graph.Integers(0));
        string keys = Graph.Op("Unsqueeze", Graph.Op("Range", Graph.Integer(0), total, Graph.Integer(1)), Graph.Integers(0));
        string queries = Graph.Op("Unsqueeze", Graph.Op("Range", Graph.Op("Sub", total, length), total, Graph.Integer(1)), Graph.Integers(1));
        string visible = Graph.Op("LessOrEqual", keys, queries);
        visible = window > 0 ? Graph.Op("And", visible, Graph.Op("Greater", keys, Graph.Op("Sub", queries, Graph.Integer(window)))) : visible;
        string present = Graph.Op("Unsqueeze", Graph.Op("Cast", ["attention_mask"], NodeAttributes.Of("to", (long)DataType.Bool)), Graph.Integers(1, 2));
        string both = Graph.Op("And", Graph.Op("Unsqueeze", visible, Graph.Integers(0, 1)), present);
        return options.Mask == MaskForm.Where ? both : Graph.Op("Where", both, Graph.Number(0), Graph.Number(Lowest));
    }

    /// <summary>cos and sin of [b, 1, s, rotated size], computed from position_ids as the model does.</summary>
    private (string Cosines, string Sines) Angles(int layer)
    {
        (int half, double start) = (Facts.RotatedSize / 2, layer % 2 == 0 ? Facts.RotaryBase.Even : Facts.RotaryBase.Odd);
        float[] frequencies = [.. Enumerable.Range(0, half).Select(pair => (float)Math.Pow(start, -2.0 * pair / Facts.RotatedSize))];
        string wide = Graph.Op("Expand", Graph.Floats(frequencies, DataType.Float, 1, half, 1), Graph.Op("Concat", [_batch, Graph.Integers(1, 1)], NodeAttributes.Of("axis", 0L)));
        string positions = Graph.Op("Cast", [Graph.Op("Unsqueeze", "position_ids", Graph.Integers(1))], NodeAttributes.Of("to", (long)DataType.Float));
        string angles = Graph.Op("Transpose", [Graph.Op("MatMul", wide, positions)], NodeAttributes.Of("perm", 0, 2, 1));
        string all = options.Rotary == RotaryForm.Pairs
            ? Graph.Op("Reshape", Graph.Op("Concat", [Graph.Op("Unsqueeze", angles, Graph.Integers(-1)), Graph.Op("Unsqueeze", angles, Graph.Integers(-1))], NodeAttributes.Of("axis", -1L)), Graph.Integers(0, 0, 2 * half))
            : Graph.Op("Concat", [angles, angles], NodeAttributes.Of("axis", -1L));
        string Of(string function)
        {
            string numbers = Graph.Op("Unsqueeze", Graph.Op(function, all), Graph.Integers(1));
            return Facts.Type == DataType.Float ? numbers : Graph.Op("Cast", [numbers], NodeAttributes.Of("to", (long)Facts.Type));
        }
        return (Of("Cos"), Of("Sin"));
    }

    private string Mean(string x) => options.Opset >= 18 ? Graph.Op("ReduceMean", x, Graph.Integers(-1)) : Graph.Op("ReduceMean", [x], NodeAttributes.Of("axes", [-1L]));

    /// <summary>One size of a shape, as a list.</summary>
    private string Part(string shape, long axis) => Graph.Op("Unsqueeze", Graph.Op("Gather", [shape, Graph.Integer(axis)], NodeAttributes.Of("axis", 0L)), Graph.Integers(0));

    /// <summary>The shape [b, s, sizes].</summary>
    private string Sizes(params long[] sizes) => options.ComputesSizes
        ? Graph.Op("Concat", [_batch, _length, .. sizes.Select(size => Graph.Integers(size))], NodeAttributes.Of("axis", 0L))
        : Graph.Integers([0, 0, .. sizes]);
}
