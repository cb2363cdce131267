using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>portable</c>: the trained artifact itself is the input, <c>aligner.tokens</c> [n, d] and <c>aligner.gates</c> [L, H], the same for the whole
/// batch. Every layer projects the tokens by its own frozen weights. By default there is one token, and its gates are zero.
/// </summary>
public static class PortableInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "portable";

    /// <summary>The slot of tokens.</summary>
    public const string Tokens = TrainingInjection.Tokens;

    /// <summary>The slot of gates, a row for every layer.</summary>
    public const string Gates = TrainingInjection.Gates;

    internal static void Apply(OnnxGraph graph, IReadOnlyList<AttentionSite> sites)
    {
        if (sites.FirstOrDefault(site => site.Key.Projection.Matrix?.Quantisation is not null || site.Value.Projection.Matrix?.Quantisation is not null) is { } quantised)
        {
            // A second reader of the stored weight keeps ONNX Runtime from fusing DequantizeLinear and MatMul: the base model's own numbers would change.
            throw new ModelRefusedException("Portable slots would change how ONNX Runtime computes the model", quantised.Key.Projection.Node.ToString(), "a weight behind DequantizeLinear, which is fused only while one product reads it",
                "weights that are stored as they are or for MatMulNBits", "patch with --slots many-token, which gives the same results");
        }
        AttentionSite any = sites[0];
        DataType type = any.ElementType;
        Value tokens = Slots.Add(graph, Tokens, type, ["aligner_tokens", any.HiddenSize], 1, any.HiddenSize);
        Value gates = Slots.Add(graph, Gates, type, [sites.Count, any.QueryHeads], sites.Count, any.QueryHeads);
        OpEmitter emit = new(graph, "aligner.portable");
        RotatedQueries queries = new(graph);
        foreach ((AttentionSite site, Value gate) in sites.Zip(Slots.PerLayer(emit, gates, axis: 0, sites)))
        {
            OpEmitter within = emit.Within($"layer{site.Layer}");
            (Value keys, Value values) = TokenProjection.Project(within, site, tokens);
            TokenAttention.Attach(within, site, queries, ByHead(within, keys, site), ByHead(within, values, site), within.Reshape(gate, 1, 1, site.QueryHeads));
        }
    }

    /// <summary>[n, G * head size] -> [1, G, n, head size].</summary>
    private static Value ByHead(OpEmitter emit, Value heads, AttentionSite site) =>
        emit.Transpose(emit.Reshape(heads, 1, -1, site.KeyValueHeads, site.HeadSize), 0, 2, 1, 3);
}
