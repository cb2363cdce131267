namespace AlignerOnnx.GraphRewrites;

/// <summary>
/// Operators that graphs may use beside those of ONNX Runtime: whoever runs such a graph registers kernels for them. Activations are float32.
/// Those of training (<see cref="Gradients.TrainingRuntime.AlignerKernels"/>) compute in one pass what would take ONNX Runtime several.
/// </summary>
public static class KernelOperators
{
    /// <summary>The domain, version 1.</summary>
    public const string Domain = "aligner";

    /// <summary>
    /// (x [.., K], elements uint8 [N, blocks, block size / 2], scales [N * blocks], zero points uint8 [N, bytes of a row] or none) -> x times the transposed weight of 4 bits, [.., N],
    /// with x rounded to int8 as MatMulNBits of accuracy level 4 rounds it. Attributes <c>columns</c> (K), <c>rows</c> (N, at least 16), <c>block_size</c> (at least 32).
    /// </summary>
    public const string MatMulInt4 = "MatMulInt4";

    /// <summary>
    /// (queries [b, s, H d], or queries, keys and values side by side [b, s, (H + 2 G) d]; past keys [rows, G, capacity, d]; past values; int32 [b]: positions of a row with the s new ones, less one; the factor
    /// on scores [1]; keys [b, s, G d] and values, or none; cosines [positions, pairs] and sines of the rotary embedding, or none; int32 [b]: the row of the cache, none where each has its own) -> (attended [b, s, H d],
    /// present keys, present values): causal attention of the new tokens to all of their row. New tokens of one row follow each other in the order of positions. Present and past may be the same memory.
    /// d and the number of rotated pairs are multiples of 8. Attributes <c>heads</c> (H), <c>key_value_heads</c> (G, divides H), <c>window</c> (positions that a query sees, its own included; 0 for all),
    /// <c>interleaved</c> (rotated pairs are neighbours, not halves).
    /// </summary>
    public const string CachedAttention = "CachedAttention";

    /// <summary>What its head size and its number of rotated pairs are multiples of.</summary>
    public const int HeadSizeStep = 8;

    /// <summary>
    /// (elements uint8 [N, bytes of a row], scales [N, blocks], zero points uint8 [N, bytes] or none, a value that must be there first) -> [N, columns]:
    /// (q - zero point) * scale. Attributes <c>bits</c> (4, 8), <c>block_size</c>, <c>columns</c>.
    /// </summary>
    public const string Dequantise = "Dequantise";

    /// <summary>
    /// (x [.., N], elements, scales, zero points or none as above) -> x times the de-quantised weight, [.., columns]; with the attribute <c>transposed</c> 1 instead of 0, x [.., columns] times its transpose, [.., N].
    /// The last dimension of the result is a multiple of 32.
    /// </summary>
    public const string QuantisedProduct = "QuantisedProduct";

    /// <summary>What the last dimension of its result is a multiple of.</summary>
    public const int PanelColumns = 32;

    /// <summary>(dy, x, u of one shape) -> (dx, du) of y = x sigmoid(x) u.</summary>
    public const string SwiGluGradient = "SwiGluGradient";

    /// <summary>(dy [.., d], x [.., d], weight [d], 1 / rms(x) [.., 1], a gradient of x that is added, or none) -> dx of y = weight x / rms(x).</summary>
    public const string RootMeanSquareGradient = "RootMeanSquareGradient";

    /// <summary>(dy, y of one shape) -> dx of y = softmax(x) along the last axis.</summary>
    public const string SoftmaxGradient = "SoftmaxGradient";
}
