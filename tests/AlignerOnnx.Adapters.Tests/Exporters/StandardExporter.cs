using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>What the exporter does with the operators of opset 23.</summary>
internal sealed record StandardOptions
{
    public long Opset { get; init; } = 23;

    /// <summary>Three dimensions with q_num_heads and kv_num_heads, rather than four.</summary>
    public bool IsFlat { get; init; }

    /// <summary>The cache as inputs of Attention; else Concat before it.</summary>
    public bool CachesInside { get; init; }

    /// <summary>is_causal; else a mask.</summary>
    public bool IsCausal { get; init; }

    /// <summary>A mask of truth values rather than of numbers.</summary>
    public bool HasTruthMask { get; init; }

    public bool HasCache { get; init; } = true;

    /// <summary>Heads repeated before the core (enable_gqa is off), as SDPA's eager callers do.</summary>
    public bool Repeats { get; init; }

    /// <summary>Asks for the scores as a fourth output.</summary>
    public bool GivesScores { get; init; }
}

/// <summary>torch.onnx (dynamo) with ai.onnx Attention, RotaryEmbedding and RMSNormalization.</summary>
internal sealed class StandardExporter(DecoderFacts facts, DecoderWeights weights, WeightStorage storage, StandardOptions options) : Exporter(facts, weights, storage)
{
    private string _mask = "";
    private readonly (string Cosines, string Sines)[] _caches = new (string, string)[2];

    protected override long IrVersion => 10;

    protected override long Opset => options.Opset;

    protected override void Begin()
    {
        Graph.Input("attention_mask", DataType.Int64, "batch_size", options.HasCache ? "past_sequence_length + sequence_length" : "sequence_length");
        Graph.Input("position_ids", DataType.Int64, "batch_size", "sequence_length");
        for (int layer = 0; layer < 2; layer++)
        {
            (float[] cosines, float[] sines) = Facts.Angles(layer);
            _caches[layer] = (Graph.Floats(cosines, DecoderFacts.Context, Facts.RotatedSize / 2), Graph.Floats(sines, DecoderFacts.Context, Facts.RotatedSize / 2));
        }
        if (!options.IsCausal)
        {
            string total = Graph.Op("Gather", [Graph.Op("Shape", "attention_mask"), Graph.Integer(1)], NodeAttributes.Of("axis", 0L));
            string length = Graph.Op("Gather", [Graph.Op("Shape", "input_ids"), Graph.Integer(1)], NodeAttributes.Of("axis", 0L));
            string keys = Graph.Op("Unsqueeze", Graph.Op("Range", Graph.Integer(0), total, Graph.Integer(1)), Graph.Integers(0, 1, 2));
            string queries = Graph.Op("Unsqueeze", Graph.Op("Range", Graph.Op("Sub", total, length), total, Graph.Integer(1)), Graph.Integers(0, 1, 3));
            string present = Graph.Op("Unsqueeze", Graph.Op("Cast", ["attention_mask"], NodeAttributes.Of("to", (long)DataType.Bool)), Graph.Integers(1, 2));
            string visible = Graph.Op("And", Graph.Op("LessOrEqual", keys, queries), present);
            _mask = options.HasTruthMask ? visible : Graph.Op("Where", visible, Graph.Number(0), Graph.Number(Facts.Type == DataType.Float ? float.MinValue : -65504));
        }
    }

    protected override string Normalise(string x, Norm norm) =>
        Graph.Op("RMSNormalization", [x, Graph.Floats(norm.Weight, norm.Weight.Length)], NodeAttributes.Of("epsilon", DecoderFacts.Epsilon), NodeAttributes.Of("axis", -1L), NodeAttributes.Of("stash_type", 1L));

    protected override string Attention(int layer, string h)
    {
        LayerWeights w = Weights.Layers[layer];
        string q = Turn(layer, Project(h, w.Query), Facts.Heads, w.QueryNorm);
        string k = Turn(layer, Project(h, w.Key), Facts.KeyValueHeads, w.KeyNorm);
        string v = options.IsFlat ? Project(h, w.Value) : ByHead(Project(h, w.Value), Facts.KeyValueHeads);
        List<AttributeProto> attributes = [NodeAttributes.Of("scale", Facts.ScoreScale), NodeAttributes.Of("is_causal", options.IsCausal ? 1L : 0)];
        if (options.IsFlat)
        {
            attributes.AddRange([NodeAttributes.Of("q_num_heads", (long)Facts.Heads), NodeAttributes.Of("kv_num_heads", (long)Facts.KeyValueHeads)]);
        }
        if (Facts.SoftCap > 0)
        {
            attributes.Add(NodeAttributes.Of("softcap", Facts.SoftCap));
        }
        string[] inputs = [q, k, v, _mask];
        string[] outputs = [Graph.Names(1)[0]];
        if (options.HasCache)
        {
            (string pastKey, string pastValue) = PastInputs(layer);
            (string presentKey, string presentValue) = PresentOutputs(layer);
            if (options.CachesInside)
            {
                (inputs, outputs) = ([.. inputs, pastKey, pastValue], [.. outputs, presentKey, presentValue]);
            }
            else
            {
                inputs[1] = Repeat(Graph.Ops("Concat", [pastKey, k], [presentKey], NodeAttributes.Of("axis", -2L))[0]);
                inputs[2] = Repeat(Graph.Ops("Concat", [pastValue, v], [presentValue], NodeAttributes.Of("axis", -2L))[0]);
            }
        }
        if (options.GivesScores)
        {
            outputs = [.. outputs, .. Enumerable.Repeat("", 3 - outputs.Length), $"scores.{layer}"];
            Graph.Output($"scores.{layer}", Facts.Type, "batch_size", Facts.Heads, "sequence_length", "total_sequence_length");
        }
        while (inputs[^1].Length == 0)
        {
            inputs = inputs[..^1];
        }
        string attended = Graph.Ops("Attention", inputs, outputs, [.. attributes])[0];
        string flat = options.IsFlat ? attended : Graph.Op("Reshape", Graph.Op("Transpose", [attended], NodeAttributes.Of("perm", 0, 2, 1, 3)), Graph.Integers(0, 0, Facts.QuerySize));
        return Project(flat, w.Output);
    }

    private string Repeat(string heads)
    {
        (long groups, long shared, long size) = (Facts.KeyValueHeads, Facts.Heads / Facts.KeyValueHeads, Facts.HeadSize);
        if (!options.Repeats || shared == 1)
        {
            return heads;
        }
        string one = Graph.Op("Unsqueeze", heads, Graph.Integers(2));
        string wide = Graph.Op("Expand", one, Graph.Integers(1, 1, shared, 1, 1));
        return Graph.Op("Reshape", wide, Graph.Integers(0, groups * shared, -1, size));
    }

    private string Turn(int layer, string heads, int count, float[] norm)
    {
        string apart = options.IsFlat && Facts.HeadNorm != HeadNorm.PerHead ? heads : Graph.Op("Reshape", heads, Graph.Integers(0, 0, count, Facts.HeadSize));
        string normal = Facts.HeadNorm == HeadNorm.PerHead ? Normalise(apart, new Norm(norm, null)) : apart;
        string ordered = !options.IsFlat ? Graph.Op("Transpose", [normal], NodeAttributes.Of("perm", 0, 2, 1, 3)) : Facts.HeadNorm == HeadNorm.PerHead ? Graph.Op("Reshape", normal, Graph.Integers(0, 0, count * Facts.HeadSize)) : normal;
        if (!Facts.IsRotated(layer))
        {
            return ordered;
        }
        return Graph.Op("RotaryEmbedding", [ordered, _caches[layer % 2].Cosines, _caches[layer % 2].Sines, "position_ids"],
            NodeAttributes.Of("interleaved", Facts.InterleavedRotary ? 1L : 0), NodeAttributes.Of("num_heads", options.IsFlat ? (long)count : 0),
            NodeAttributes.Of("rotary_embedding_dim", Facts.RotatedSize == Facts.HeadSize ? 0L : Facts.RotatedSize));
    }

    private string ByHead(string heads, int count) =>
        Graph.Op("Transpose", [Graph.Op("Reshape", heads, Graph.Integers(0, 0, count, Facts.HeadSize))], NodeAttributes.Of("perm", 0, 2, 1, 3));
}
