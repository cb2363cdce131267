using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>One attention node of one layer with everything that a rewrite needs.</summary>
/// <param name="Layer">The layer, from 0, in execution order.</param>
/// <param name="Form">The attention form, for example <c>GroupQueryAttention</c>.</param>
/// <param name="Core">The attention node; the Softmax of a decomposed one.</param>
/// <param name="QueryHeads">H, the number of query heads.</param>
/// <param name="KeyValueHeads">G, the number of key/value heads; divides H.</param>
/// <param name="HeadSize">Elements of one head.</param>
/// <param name="Scale">The factor on attention scores.</param>
/// <param name="Query">Where the queries come from.</param>
/// <param name="Key">Where the keys come from.</param>
/// <param name="Value">Where the values come from.</param>
/// <param name="Output">The output projection.</param>
/// <param name="Rotary">The rotary embedding inside the node; null where the node applies none.</param>
public sealed record AttentionSite(
    int Layer, string Form, Node Core, int QueryHeads, int KeyValueHeads, int HeadSize, float Scale,
    ProjectionSlice Query, ProjectionSlice Key, ProjectionSlice Value, Projection Output, RotaryFacts? Rotary)
{
    /// <summary>The queries as the core reads them.</summary>
    public required QueryOperand QueryOperand { get; init; }

    /// <summary>The normalization of queries inside the core; null where the core applies none.</summary>
    public HeadNormalization? QueryNormalization { get; init; }

    /// <summary>The normalization of keys, inside the core or before it; null where there is none. It applies to the keys of tokens too.</summary>
    public HeadNormalization? KeyNormalization { get; init; }

    /// <summary>The bound of scores, cap * tanh(score / cap); 0 where there is none.</summary>
    public float SoftCap { get; init; }

    /// <summary>d, the hidden size: what tokens are made of.</summary>
    public long HiddenSize => Key.Projection.InputSize;

    /// <summary>The element type of the layer's activations, which is also that of its slots.</summary>
    public DataType ElementType => Output.ElementType;
}

/// <summary>A rotary embedding that the attention node applies to queries and keys.</summary>
/// <param name="Cosines">Cosines, [positions, rotated size / 2].</param>
/// <param name="Sines">Sines, of the same shape.</param>
/// <param name="Interleaved">Whether pairs are neighbours (even, odd) rather than halves.</param>
public sealed record RotaryFacts(Value Cosines, Value Sines, bool Interleaved);

/// <summary>The queries where they enter the attention core.</summary>
/// <param name="Value">The value: [b, s, H * head size], of a packed core with keys and values behind, or [b, H, s, head size].</param>
/// <param name="IsHeadMajor">Whether heads stand before the sequence.</param>
/// <param name="Factor">What queries have been multiplied with already; what is left of the score scale is Scale / Factor.</param>
public sealed record QueryOperand(Value Value, bool IsHeadMajor, float Factor = 1);
