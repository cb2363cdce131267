using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>One attention core of one layer with everything that a rewrite needs. All values are those of the unchanged graph.</summary>
/// <param name="Layer">The layer, from 0, in execution order.</param>
/// <param name="Form">The attention form, for example <c>GroupQueryAttention</c>.</param>
/// <param name="Core">The attention node; of decomposed attention the Softmax.</param>
/// <param name="QueryHeads">H, the number of query heads.</param>
/// <param name="KeyValueHeads">G, the number of key/value heads; divides H. Query head h reads key/value head h * G / H.</param>
/// <param name="HeadSize">Elements of one head, of queries, keys and values alike.</param>
/// <param name="Scale">The whole factor on scores, wherever the graph applies it; <see cref="QueryOperand.Factor"/> says what queries carry already.</param>
/// <param name="Query">Where the queries come from.</param>
/// <param name="Key">Where the keys come from.</param>
/// <param name="Value">Where the values come from.</param>
/// <param name="Output">The output projection.</param>
/// <param name="Rotary">The rotary embedding between projection and scores, inside the core or before it; null where there is none (or it is decomposed before the core).</param>
public sealed record AttentionSite(
    int Layer, string Form, Node Core, int QueryHeads, int KeyValueHeads, int HeadSize, float Scale,
    ProjectionSlice Query, ProjectionSlice Key, ProjectionSlice Value, Projection Output, RotaryFacts? Rotary)
{
    /// <summary>
    /// The queries as the core reads them; null where they exist only inside the core (com.microsoft Attention, which projects them itself): a rewrite then projects
    /// <see cref="Query"/> once more.
    /// </summary>
    public QueryOperand? QueryOperand { get; init; }

    /// <summary>Why a rewrite cannot have the final queries (the core rotates them by angles or positions that are no value of the graph); null where it can.</summary>
    public string? QueryObstacle { get; init; }

    /// <summary>The normalization of queries before the rotary embedding; null where there is none. <see cref="QueryOperand.IsNormalised"/> says whether the operand has it.</summary>
    public HeadNormalization? QueryNormalization { get; init; }

    /// <summary>The normalization of keys before the rotary embedding; null where there is none. Keys of tokens are normalised by it too.</summary>
    public HeadNormalization? KeyNormalization { get; init; }

    /// <summary>Whether the graph repeats keys and values for the query heads that share them: the core then reads H heads of each, not G.</summary>
    public bool AreKeysRepeated { get; init; }

    /// <summary>What happens to scores besides the scale.</summary>
    public ScoreFacts Scores { get; init; } = ScoreFacts.Plain;

    /// <summary>The key/value cache that the core reads and writes.</summary>
    public CacheFacts Cache { get; init; } = CacheFacts.None;

    /// <summary>What attention gives, before the output projection; the branch of tokens is added to it.</summary>
    public required HeadsValue Attended { get; init; }

    /// <summary>
    /// What the output projection gives, [b, s, d] with its bias and any LoRA; a folded vector is added to it. What follows (Gemma's norm after attention, Granite's
    /// residual multiplier, the residual sum) then applies to the vector as it would to the attended tokens.
    /// </summary>
    public Value End => Output.Result;

    /// <summary>Whether the graph runs its tokens in one line, [tokens, d] in place of [b, s, d] (PagedAttention): a vector added to <see cref="End"/> must be [1, d].</summary>
    public bool IsFlat { get; init; }

    /// <summary>d, the hidden size: what tokens are made of.</summary>
    public long HiddenSize => Key.Projection.InputSize;

    /// <summary>The element type of the layer's activations (float, float16, bfloat16), which is also that of its slots.</summary>
    public DataType ElementType => Output.ElementType;
}
