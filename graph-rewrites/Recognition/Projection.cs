using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>A frozen linear map y = factor * W x + bias (+ LoRA), however the graph stores W.</summary>
/// <param name="Node">The node that multiplies: MatMul, Gemm, FusedMatMul, MatMulNBits, DynamicQuantizeMatMul, MatMulIntegerToFloat, the Mul behind a MatMulInteger; com.microsoft Attention, which projects inside.</param>
/// <param name="Result">The value with bias and LoRA added, [.., output size].</param>
/// <param name="Bias">The bias, a constant of <paramref name="OutputSize"/> elements; null where there is none.</param>
/// <param name="InputSize">The size of x.</param>
/// <param name="OutputSize">The size of y.</param>
public sealed record Projection(Node Node, Value Result, Value? Bias, long InputSize, long OutputSize)
{
    /// <summary>The value x; the node's first input, or what was rounded to give it.</summary>
    public Value Source { get; init; } = Node.Input(0)!;

    /// <summary>Whether x is rounded to int8 by the range of all its rows: rows then depend on each other, a little.</summary>
    public bool RoundsActivations { get; init; }

    /// <summary>How W is stored; null for MatMulNBits, which <see cref="QuantisedWeight"/> describes.</summary>
    public FrozenMatrix? Matrix { get; init; }

    /// <summary>The factor on W x: alpha of Gemm and FusedMatMul.</summary>
    public float Factor { get; init; } = 1;

    /// <summary>LoRA that the graph adds to the product, with constant matrices.</summary>
    public IReadOnlyList<LowRankUpdate> Updates { get; init; } = [];

    /// <summary>The last node of a LoRA that the graph adds and whose matrices callers may feed; null where there is none. What is folded cannot follow it.</summary>
    public Node? FedUpdate { get; init; }

    /// <summary>Whether the weight is block-quantised (MatMulNBits).</summary>
    public bool IsQuantised => Matrix is null;

    /// <summary>The element type of y.</summary>
    public DataType ElementType => Matrix?.ElementType ?? Constants.Of(QuantisedWeight.Of(Node).Scales)!.ElementType;

    /// <summary>How the projection computes, in words: operator, and how the weight is stored.</summary>
    public string Kind => (Matrix is null ? $"MatMulNBits {QuantisedWeight.Of(Node).Bits} bit" : $"{Node.OpType} {Matrix.Kind}") + (Updates.Count > 0 || FedUpdate is not null ? " + LoRA" : "");
}

/// <summary>A LoRA branch: factor * B (A x), added to a projection.</summary>
/// <param name="Down">A, to the low rank.</param>
/// <param name="Up">B, from the low rank.</param>
/// <param name="Factor">The factor on the product (alpha / rank).</param>
public sealed record LowRankUpdate(Projection Down, Projection Up, float Factor);
