using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Decoding;

/// <summary>
/// Puts <see cref="KernelOperators.CachedAttention"/> in place of GroupQueryAttention, where it computes the same: float32, no bias, sinks, softcap or normalization inside, positions that follow from the lengths.
/// Whoever runs the graph registers its kernel. Source of inputs and attributes: ONNX Runtime's contrib operator documentation.
/// </summary>
public static class CachedAttentions
{
    private const int Query = 0;
    private const int Key = 1;
    private const int Value = 2;
    private const int PastKey = 3;
    private const int PastValue = 4;
    private const int Lengths = 5;
    private const int Cosines = 7;
    private const int Sines = 8;
    private const int FirstOther = 9;
    private const int Outputs = 3;

    private static readonly HashSet<string> Known = ["num_heads", "kv_num_heads", "scale", "local_window_size", "do_rotary", "rotary_interleaved"];

    // Attributes that change nothing where they have these values.
    private static readonly Dictionary<string, float> Neutral = new(StringComparer.Ordinal)
    {
        ["softcap"] = 0, ["smooth_softmax"] = 0, ["qk_output"] = 0, ["sliding_window_cache"] = 0, ["causal"] = 1,
    };

    /// <summary>Rewrites the graph, in place.</summary>
    /// <param name="model">The model.</param>
    /// <param name="headSize">Elements of a head, of all layers; exports need not declare it with their caches.</param>
    /// <returns>How many operators were replaced.</returns>
    public static int Apply(OnnxModel model, int headSize)
    {
        ArgumentNullException.ThrowIfNull(model);
        Node[] cores = headSize % KernelOperators.HeadSizeStep == 0 ? [.. model.Graph.Nodes.Where(CanReplace)] : [];
        foreach (Node core in cores)
        {
            Replace(model.Graph, core, headSize);
        }
        if (cores.Length > 0)
        {
            model.RequireOpset(KernelOperators.Domain, 1);
        }
        return cores.Length;
    }

    private static bool CanReplace(Node node) =>
        node.Is("GroupQueryAttention", Domains.Microsoft) && node.Attributes.All.All(IsUnderstood) && HasWholeGroups(node) && node.Inputs.Skip(FirstOther).All(input => input is null)
        && node.Input(Query) is not null && node.Input(Lengths) is not null && node.Input(PastKey) is { ElementType: DataType.Float } && node.Input(PastValue) is { ElementType: DataType.Float }
        && node.Input(Key) is null == node.Input(Value) is null && (!IsRotary(node) || (node.Input(Cosines) is not null && node.Input(Sines) is not null))
        && HasOwnOutputs(node);

    private static bool IsUnderstood(Onnx.AttributeProto attribute) =>
        Known.Contains(attribute.Name) || (Neutral.TryGetValue(attribute.Name, out float neutral) && attribute.I + attribute.F == neutral);

    private static bool HasWholeGroups(Node node) =>
        node.Attributes.Int("kv_num_heads", 0) is > 0 and var keyValueHeads && node.Attributes.Int("num_heads", 0) is > 0 and var heads && heads % keyValueHeads == 0;

    private static bool HasOwnOutputs(Node node) =>
        node.Outputs.Count == Outputs && node.Outputs.All(output => output is not null && !output.Uses.Any(use => use.Input == Use.Subgraph));

    private static bool IsRotary(Node node) => node.Attributes.Int("do_rotary", 0) != 0;

    private static void Replace(OnnxGraph graph, Node core, int headSize)
    {
        OpEmitter emit = new(graph, $"{core.Name}.cached");
        float scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : 1 / MathF.Sqrt(headSize);
        emit.InPlaceOf(core, KernelOperators.CachedAttention, KernelOperators.Domain,
            [
                core.Input(Query), core.Input(PastKey), core.Input(PastValue), core.Input(Lengths), emit.Scalar(scale), core.Input(Key), core.Input(Value),
                IsRotary(core) ? core.Input(Cosines) : null, IsRotary(core) ? core.Input(Sines) : null, null,
            ],
            NodeAttributes.Of("heads", core.Attributes.Int("num_heads", 0)), NodeAttributes.Of("key_value_heads", core.Attributes.Int("kv_num_heads", 0)),
            NodeAttributes.Of("window", Math.Max(core.Attributes.Int("local_window_size", 0), 0)), NodeAttributes.Of("interleaved", core.Attributes.Int("rotary_interleaved", 0)));
    }
}
