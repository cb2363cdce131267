using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>A frozen linear map y = W x (+ bias), however the graph stores W.</summary>
/// <param name="Node">The MatMul, FusedMatMul, Gemm or MatMulNBits node.</param>
/// <param name="Result">The value with the bias added: the node's output, that of the Add behind it, or of the Reshape that gives a Gemm's result its three dimensions back.</param>
/// <param name="Bias">The bias, a constant of <paramref name="OutputSize"/> elements; null where there is none.</param>
/// <param name="InputSize">The size of x.</param>
/// <param name="OutputSize">The size of y.</param>
/// <param name="Matrix">How W is stored; null for MatMulNBits, which <see cref="QuantisedWeight"/> describes.</param>
public sealed record Projection(Node Node, Value Result, Value? Bias, long InputSize, long OutputSize, FrozenMatrix? Matrix)
{
    /// <summary>The value x.</summary>
    public Value Source => Node.Input(0)!;

    /// <summary>Whether the weight is block-quantised (MatMulNBits).</summary>
    public bool IsQuantised => Node.OpType == "MatMulNBits";

    /// <summary>The factor on W: a Gemm's or FusedMatMul's alpha.</summary>
    public float Factor => Node.OpType is "Gemm" or "FusedMatMul" ? Node.Attributes.Float("alpha", 1) : 1;

    /// <summary>The element type of y.</summary>
    public DataType ElementType => Declared is not 0 and var declared ? declared
        : IsQuantised ? Node.Input(2)!.ElementType
        : Matrix!.Dequantise is { } dequantise ? dequantise.Input(1)!.ElementType
        : Matrix.Stored.ElementType;

    private DataType Declared => (DataType)(Result.Type?.TensorType?.ElemType ?? Node.Output.Type?.TensorType?.ElemType ?? 0);

    /// <summary>How the projection computes, in words: operator, and how the weight is stored.</summary>
    public string Kind => IsQuantised ? $"MatMulNBits {QuantisedWeight.Of(Node).Bits} bit"
        : Matrix!.Dequantise is null ? $"{Node.OpType} {Matrix.Stored.ElementType}"
        : $"{Node.OpType} of DequantizeLinear {Matrix.Stored.ElementType}";
}

/// <summary>The part of a projection's output that belongs to the queries, the keys or the values.</summary>
/// <param name="Projection">The projection, which may be packed.</param>
/// <param name="First">The first output element of the part.</param>
/// <param name="Count">The number of output elements.</param>
public sealed record ProjectionSlice(Projection Projection, long First, long Count)
{
    /// <summary>Whether the part is the whole output.</summary>
    public bool IsWhole => First == 0 && Count == Projection.OutputSize;
}
