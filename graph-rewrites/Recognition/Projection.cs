using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>A frozen linear map y = W x (+ bias), however the graph stores W.</summary>
/// <param name="Node">The MatMul or MatMulNBits node.</param>
/// <param name="Result">The value with the bias added: the node's output, or that of the Add behind it.</param>
/// <param name="Bias">The bias, a constant of <paramref name="OutputSize"/> elements; null where there is none.</param>
/// <param name="InputSize">The size of x.</param>
/// <param name="OutputSize">The size of y.</param>
public sealed record Projection(Node Node, Value Result, Value? Bias, long InputSize, long OutputSize)
{
    /// <summary>The value x.</summary>
    public Value Source => Node.Input(0)!;

    /// <summary>The stored weight.</summary>
    public Value Weight => Node.Input(1)!;

    /// <summary>Whether the weight is block-quantised (MatMulNBits).</summary>
    public bool IsQuantised => Node.OpType == "MatMulNBits";
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
