using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>What the model builder is asked for.</summary>
internal sealed record BuilderOptions
{
    /// <summary>Releases to 0.8: IR 7, opset 14, GroupQueryAttention with nine inputs.</summary>
    public bool IsOld { get; init; }

    /// <summary>Queries, keys and values by one product; Split where heads are normalised before the core.</summary>
    public bool IsPacked { get; init; } = true;

    /// <summary>The rotary embedding in the core; else RotaryEmbedding before it, as for dml.</summary>
    public bool RotatesInside { get; init; } = true;

    /// <summary>MultiHeadAttention with a mask and repeated heads: float32 for CUDA, float16 for the CPU.</summary>
    public bool MultiHead { get; init; }

    /// <summary>A bias on scores (input 10), here all zeros.</summary>
    public bool HasScoreBias { get; init; }

    public bool FusesGateUp { get; init; }

    /// <summary>Logits of the last position only.</summary>
    public bool PrunesHead { get; init; }

    public bool GivesHiddenStates { get; init; }

    /// <summary>Rotary caches that an If picks (LongRoPE).</summary>
    public bool PicksCaches { get; init; }

    /// <summary>Float32 around normalizations and rotary embeddings of a float16 graph (Gemma, Qwen 2.5 VL).</summary>
    public bool Widens { get; init; }

    /// <summary>LoRA matrices as inputs of the graph that callers may feed, on the output projection.</summary>
    public bool FeedsOutputLoRA { get; init; }
}

/// <summary>The ONNX Runtime GenAI model builder. Source: microsoft/onnxruntime-genai, src/python/py/models/builders/base.py.</summary>
internal sealed class ModelBuilderExporter(DecoderFacts facts, DecoderWeights weights, WeightStorage storage, BuilderOptions options) : Exporter(facts, weights, storage)
{
    private string _lengths = "";
    private string _total = "";
    private string _mask = "";
    private readonly (string Cosines, string Sines)[] _caches = new (string, string)[2];

    protected override long IrVersion => options.IsOld ? 7 : 10;

    protected override long Opset => options.IsOld && Storage is not DequantizedStorage ? 14 : 21;

    private bool TakesPositions => options.MultiHead || !options.RotatesInside;

    protected override void Begin()
    {
        Graph.Input("attention_mask", DataType.Int64, "batch_size", "total_sequence_length");
        if (TakesPositions)
        {
            Graph.Input("position_ids", DataType.Int64, "batch_size", "sequence_length");
        }
        string sum = Graph.Op("ReduceSum", ["attention_mask", Graph.Integers(1)], NodeAttributes.Of("keepdims", 0L));
        _lengths = Graph.Op("Cast", [Graph.Op("Sub", sum, Graph.Integers(1))], NodeAttributes.Of("to", (long)DataType.Int32));
        string total = Graph.Op("Gather", [Graph.Op("Shape", "attention_mask"), Graph.Integer(1)], NodeAttributes.Of("axis", 0L));
        _total = Graph.Op("Cast", [total], NodeAttributes.Of("to", (long)DataType.Int32));
        for (int layer = 0; layer < 2; layer++)
        {
            (float[] cosines, float[] sines) = Facts.Angles(layer);
            _caches[layer] = options.PicksCaches ? Pick(total, cosines, sines) : (Cache(cosines), Cache(sines));
        }
        if (options.MultiHead)
        {
            _mask = ScoreMask(total);
        }
    }

    protected override string Normalise(string x, Norm norm)
    {
        if (options.Widens)
        {
            string wide = Graph.Op("Cast", [x], NodeAttributes.Of("to", (long)DataType.Float));
            string normal = Graph.Op("SimplifiedLayerNormalization", [wide, Graph.Floats(norm.Weight, DataType.Float, norm.Weight.Length)], Epsilon, NodeAttributes.Of("axis", -1L), NodeAttributes.Of("stash_type", 1L));
            return Graph.Op("Cast", [normal], NodeAttributes.Of("to", (long)Facts.Type));
        }
        return norm.Bias is { } bias
            ? Graph.Op("LayerNormalization", [x, Graph.Floats(norm.Weight, norm.Weight.Length), Graph.Floats(bias, bias.Length)], Epsilon, NodeAttributes.Of("axis", -1L), NodeAttributes.Of("stash_type", 1L))
            : Graph.Op("SimplifiedLayerNormalization", [x, Graph.Floats(norm.Weight, norm.Weight.Length)], Epsilon, NodeAttributes.Of("axis", -1L), NodeAttributes.Of("stash_type", 1L));
    }

    protected override (string Normal, string Sum) NormaliseSum(string x, string addend, Norm norm)
    {
        if (options.Widens)
        {
            return base.NormaliseSum(x, addend, norm);
        }
        string[] names = Graph.Names(2);
        string weight = Graph.Floats(norm.Weight, norm.Weight.Length);
        string[] outputs = norm.Bias is { } bias
            ? Graph.Ops("com.microsoft.SkipLayerNormalization", [x, addend, weight, Graph.Floats(bias, bias.Length)], [names[0], "", "", names[1]], Epsilon)
            : Graph.Ops("com.microsoft.SkipSimplifiedLayerNormalization", [x, addend, weight], [names[0], "", "", names[1]], Epsilon);
        return (outputs[0], outputs[3]);
    }

    protected override string Mlp(LayerWeights w, string h)
    {
        if (!options.FusesGateUp)
        {
            return base.Mlp(w, h);
        }
        (long size, string both) = (Facts.Intermediate, Project(h, w.Gate, w.Up));
        string gate = Graph.Op("Slice", both, Graph.Integers(0), Graph.Integers(size), Graph.Integers(-1));
        string up = Graph.Op("Slice", both, Graph.Integers(size), Graph.Integers(2 * size), Graph.Integers(-1));
        return Project(Graph.Op("Mul", Graph.Op("Mul", gate, Graph.Op("Sigmoid", gate)), up), w.Down);
    }

    protected override void End(string x, string open)
    {
        string h = NormaliseSum(x, open, Weights.LastNorm).Normal;
        if (options.GivesHiddenStates)
        {
            Name(h, "hidden_states", "batch_size", "sequence_length", Facts.Hidden);
            h = "hidden_states";
        }
        if (options.PrunesHead)
        {
            h = Graph.Op("Unsqueeze", Graph.Op("Gather", [h, Graph.Integer(-1)], NodeAttributes.Of("axis", 1L)), Graph.Integers(1));
        }
        // A head that shares the embedding would be transposed; here it is quantised or not like the layers.
        string logits = Storage is not PlainStorage ? Graph.Op("MatMul", h, Graph.Floats(Weights.Head.Columns, Facts.Hidden, DecoderFacts.Vocabulary)) : Storage.Multiply(Graph, h, Weights.Head, null);
        Name(Scaled(logits, Facts.LogitScale), "logits", "batch_size", options.PrunesHead ? 1 : "sequence_length", DecoderFacts.Vocabulary);
    }

    protected override string Attention(int layer, string h)
    {
        LayerWeights w = Weights.Layers[layer];
        (string q, string k, string v) = Heads(layer, h, w);
        string attended = options.MultiHead ? MultiHead(layer, q, k, v) : GroupQuery(layer, q, k, v, w);
        string o = Project(attended, w.Output);
        if (!options.FeedsOutputLoRA)
        {
            return o;
        }
        string down = Graph.Slot($"model.layers.{layer}.attn.o_proj.lora_A.MatMul.weight", Facts.QuerySize, 0);
        string up = Graph.Slot($"model.layers.{layer}.attn.o_proj.lora_B.MatMul.weight", 0, Facts.Hidden);
        return Graph.Op("Add", o, Graph.Op("MatMul", Graph.Op("MatMul", attended, down), up));
    }

    private static AttributeProto Epsilon => NodeAttributes.Of("epsilon", DecoderFacts.Epsilon);

    private (string Query, string Key, string Value) Heads(int layer, string h, LayerWeights w)
    {
        if (options.IsPacked && Facts.HeadNorm == HeadNorm.None && !TakesPositions && Facts.LoRARank == 0)
        {
            return (Project(h, w.Query, w.Key, w.Value), "", "");
        }
        (string q, string k, string v) parts;
        if (options.IsPacked && Facts.LoRARank == 0)
        {
            string packed = Project(h, w.Query, w.Key, w.Value);
            string[] cut = Graph.Ops("Split", [packed, Graph.Integers(Facts.QuerySize, Facts.KeySize, Facts.KeySize)], Graph.Names(3), NodeAttributes.Of("axis", -1L));
            parts = (cut[0], cut[1], cut[2]);
        }
        else
        {
            parts = (Project(h, w.Query), Project(h, w.Key), Project(h, w.Value));
        }
        return (Turn(layer, parts.q, w.QueryNorm, Facts.Heads), Turn(layer, parts.k, w.KeyNorm, Facts.KeyValueHeads), parts.v);
    }

    private string Turn(int layer, string heads, float[] norm, int count)
    {
        bool rotates = TakesPositions && Facts.IsRotated(layer);
        string turned = rotates && Facts.NormalisesRotated ? Rotate(layer, heads, count) : heads;
        if (Facts.HeadNorm != HeadNorm.None)
        {
            string apart = Facts.HeadNorm == HeadNorm.PerHead ? Graph.Op("Reshape", turned, Graph.Integers(0, -1, Facts.HeadSize)) : turned;
            string normal = Normalise(apart, new Norm(norm, null));
            turned = Facts.HeadNorm == HeadNorm.PerHead ? Graph.Op("Reshape", normal, Graph.Integers(0, -1, count * Facts.HeadSize)) : normal;
        }
        return rotates && !Facts.NormalisesRotated ? Rotate(layer, turned, count) : turned;
    }

    private string Rotate(int layer, string heads, int count)
    {
        bool whole = Facts.RotatedSize == Facts.HeadSize;
        string source = options.Widens ? Graph.Op("Cast", [heads], NodeAttributes.Of("to", (long)DataType.Float)) : heads;
        string turned = Graph.Op("com.microsoft.RotaryEmbedding", [source, "position_ids", _caches[layer % 2].Cosines, _caches[layer % 2].Sines],
            NodeAttributes.Of("interleaved", Facts.InterleavedRotary ? 1L : 0), NodeAttributes.Of("num_heads", whole ? 0L : count), NodeAttributes.Of("rotary_embedding_dim", whole ? 0L : Facts.RotatedSize));
        return options.Widens ? Graph.Op("Cast", [turned], NodeAttributes.Of("to", (long)Facts.Type)) : turned;
    }

    private string GroupQuery(int layer, string q, string k, string v, LayerWeights w)
    {
        bool rotates = options.RotatesInside && Facts.IsRotated(layer);
        (string pastKey, string pastValue) = PastInputs(layer);
        (string presentKey, string presentValue) = PresentOutputs(layer);
        List<string> inputs = [q, k, v, pastKey, pastValue, _lengths, _total, rotates ? _caches[layer % 2].Cosines : "", rotates ? _caches[layer % 2].Sines : ""];
        if (!options.IsOld)
        {
            string bias = !options.HasScoreBias ? "" : Graph.Op("Expand", Graph.Floats([0], 1, 1, 1, 1), ScoreShape());
            inputs.AddRange(["", bias, Facts.HasSinks ? Graph.Floats(w.Sinks, Facts.Heads) : ""]);
        }
        string attended = Graph.Names(1)[0];
        List<AttributeProto> attributes =
        [
            NodeAttributes.Of("num_heads", (long)Facts.Heads), NodeAttributes.Of("kv_num_heads", (long)Facts.KeyValueHeads), NodeAttributes.Of("scale", Facts.ScoreScale),
            NodeAttributes.Of("do_rotary", rotates ? 1L : 0), NodeAttributes.Of("rotary_interleaved", Facts.InterleavedRotary ? 1L : 0),
            NodeAttributes.Of("local_window_size", (long)Facts.WindowOf(layer)), NodeAttributes.Of("softcap", Facts.SoftCap),
        ];
        if (Facts.SmoothSoftmax)
        {
            attributes.Add(NodeAttributes.Of("smooth_softmax", 1L));
        }
        return Graph.Ops("com.microsoft.GroupQueryAttention", [.. inputs], [attended, presentKey, presentValue], [.. attributes])[0];
    }

    private string MultiHead(int layer, string q, string k, string v)
    {
        (string pastKey, string pastValue) = PastInputs(layer);
        (string presentKey, string presentValue) = PresentOutputs(layer);
        AttributeProto[] attributes = [NodeAttributes.Of("num_heads", (long)Facts.Heads), NodeAttributes.Of("scale", Facts.ScoreScale)];
        return Facts.Heads == Facts.KeyValueHeads
            ? Graph.Ops("com.microsoft.MultiHeadAttention", [q, k, v, "", "", _mask, pastKey, pastValue], [Graph.Names(1)[0], presentKey, presentValue], attributes)[0]
            : Graph.Op("com.microsoft.MultiHeadAttention", [q, Repeat(k, pastKey, presentKey), Repeat(v, pastValue, presentValue), "", "", _mask], attributes);
    }

    /// <summary>make_repeat_kv.</summary>
    private string Repeat(string heads, string past, string present)
    {
        (long groups, long shared, long size) = (Facts.KeyValueHeads, Facts.Heads / Facts.KeyValueHeads, Facts.HeadSize);
        string byHead = Graph.Op("Transpose", [Graph.Op("Reshape", heads, Graph.Integers(0, 0, -1, size))], NodeAttributes.Of("perm", 0, 2, 1, 3));
        Graph.Ops("Concat", [past, byHead], [present], NodeAttributes.Of("axis", 2L));
        string shape = Graph.Op("Shape", present);
        string SizeOf(long axis) => Graph.Op("Unsqueeze", Graph.Op("Gather", [shape, Graph.Integer(axis)], NodeAttributes.Of("axis", 0L)), Graph.Integers(0));
        (string batch, string all) = (SizeOf(0), SizeOf(2));
        string wide = Graph.Op("Concat", [batch, Graph.Integers(groups), Graph.Integers(shared), all, Graph.Integers(size)], NodeAttributes.Of("axis", 0L));
        string expanded = Graph.Op("Expand", Graph.Op("Unsqueeze", present, Graph.Integers(2)), wide);
        string narrow = Graph.Op("Concat", [batch, Graph.Integers(groups * shared), all, Graph.Integers(size)], NodeAttributes.Of("axis", 0L));
        string inSequence = Graph.Op("Transpose", [Graph.Op("Reshape", expanded, narrow)], NodeAttributes.Of("perm", 0, 2, 1, 3));
        return Graph.Op("Reshape", inSequence, Graph.Integers(0, 0, groups * shared * size));
    }

    private string Cache(float[] numbers) => options.Widens && TakesPositions
        ? Graph.Floats(numbers, DataType.Float, DecoderFacts.Context, Facts.RotatedSize / 2)
        : Graph.Floats(numbers, DecoderFacts.Context, Facts.RotatedSize / 2);

    private (string Cosines, string Sines) Pick(string total, float[] cosines, float[] sines)
    {
        string isLong = Graph.Op("Greater", total, Graph.Integer(DecoderFacts.Context / 2));
        string[] names = Graph.Names(2);
        GraphProto Branch(string kind)
        {
            GraphProto branch = new() { Name = kind };
            foreach ((string name, float[] numbers) in new[] { ($"{names[0]}_{kind}", cosines), ($"{names[1]}_{kind}", sines) })
            {
                TensorProto tensor = Tensor.Inline("", Facts.Type, FloatEncoding.ToBytes(numbers, Facts.Type), DecoderFacts.Context, Facts.RotatedSize / 2);
                branch.Node.Add(new NodeProto { OpType = "Constant", Output = { name }, Attribute = { NodeAttributes.Of("value", tensor) } });
                branch.Output.Add(new ValueInfoProto
                {
                    Name = name,
                    Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)Facts.Type, Shape = new TensorShapeProto { Dim = { new TensorShapeProto.Types.Dimension { DimValue = DecoderFacts.Context }, new TensorShapeProto.Types.Dimension { DimValue = Facts.RotatedSize / 2 } } } } },
                });
            }
            return branch;
        }
        AttributeProto Of(string name, GraphProto graph) => new() { Name = name, Type = AttributeProto.Types.AttributeType.Graph, G = graph };
        string[] picked = Graph.Ops("If", [isLong], names, Of("then_branch", Branch("large")), Of("else_branch", Branch("small")));
        return (picked[0], picked[1]);
    }

    /// <summary>[b, 1, s, total].</summary>
    private string ScoreShape()
    {
        string ids = Graph.Op("Shape", "input_ids");
        string Of(string shape, long axis) => Graph.Op("Unsqueeze", Graph.Op("Gather", [shape, Graph.Integer(axis)], NodeAttributes.Of("axis", 0L)), Graph.Integers(0));
        return Graph.Op("Concat", [Of(ids, 0), Graph.Integers(1), Of(ids, 1), Of(Graph.Op("Shape", "attention_mask"), 1)], NodeAttributes.Of("axis", 0L));
    }

    /// <summary>0 where a query sees a key, the lowest number where not: later keys and padding.</summary>
    private string ScoreMask(string total)
    {
        string length = Graph.Op("Gather", [Graph.Op("Shape", "input_ids"), Graph.Integer(1)], NodeAttributes.Of("axis", 0L));
        string keys = Graph.Op("Range", Graph.Integer(0), total, Graph.Integer(1));
        string queries = Graph.Op("Range", Graph.Op("Sub", total, length), total, Graph.Integer(1));
        string later = Graph.Op("Greater", Graph.Op("Unsqueeze", keys, Graph.Integers(0)), Graph.Op("Unsqueeze", queries, Graph.Integers(1)));
        string padding = Graph.Op("Unsqueeze", Graph.Op("Equal", "attention_mask", Graph.Integer(0)), Graph.Integers(1, 2));
        string hidden = Graph.Op("Or", Graph.Op("Unsqueeze", later, Graph.Integers(0, 1)), padding);
        return Graph.Op("Where", hidden, Graph.Number(Facts.Type == DataType.Float16 ? -65504 : float.MinValue), Graph.Number(0));
    }
}
