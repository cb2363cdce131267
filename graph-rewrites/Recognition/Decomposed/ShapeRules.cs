using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>The shapes that products, look-ups and ONNX Runtime's own operators give.</summary>
internal static class ShapeRules
{
    /// <summary>The shape of a node's output; null where it is not known.</summary>
    public static long[]? Of(Node node, int output, PartialEvaluation known) => (node.OpType, node.Domain) switch
    {
        ("MatMul" or "MatMulInteger", Domains.Standard) or ("FusedMatMul" or "DynamicQuantizeMatMul" or "MatMulIntegerToFloat", Domains.Microsoft) or ("Einsum", Domains.Standard) => Product(node, known),
        ("Gemm", Domains.Standard) => Gemm(node, known),
        ("MatMulNBits", Domains.Microsoft) => Rows(known.ShapeOf(node.Input(0)), node.Attributes.Int("N", 0)),
        ("Gather", Domains.Standard) => LookUp(node, known),
        ("DequantizeLinear", _) or ("QuickGelu" or "FastGelu" or "Gelu" or "BiasGelu" or "BiasSoftmax" or "RotaryEmbedding" or "SimplifiedLayerNormalization" or "LayerNormalization", Domains.Microsoft) => known.ShapeOf(node.Input(0)),
        ("SkipSimplifiedLayerNormalization" or "SkipLayerNormalization", Domains.Microsoft) => output is 0 or 3 ? known.ShapeOf(node.Input(0)) : null,
        ("GatherBlockQuantized", Domains.Microsoft) => Embeddings(node, known),
        _ => null,
    };

    private static long[]? Product(Node node, PartialEvaluation known)
    {
        if (FrozenMatrices.Of(node.Input(1)) is { Success: true } frozen)
        {
            bool transposed = node.Attributes.Int("transB", 0) != 0;
            return Rows(known.ShapeOf(node.Input(0)), transposed ? frozen.Found.InputSize : frozen.Found.OutputSize);
        }
        return MatrixProduct.OfAny(node) is { } product ? product.Places(known)?.Shape : null;
    }

    /// <summary>[.., input size] times a matrix. Where the graph does not say what precedes, it is the hidden state of a decoder: [b, s, d].</summary>
    private static long[] Rows(long[]? rows, long size) => rows is null or [] ? [StandInSizes.Batch, StandInSizes.Sequence, size] : [.. rows[..^1], size];

    private static long[]? Gemm(Node node, PartialEvaluation known)
    {
        if (known.ShapeOf(node.Input(1)) is not { Length: 2 } matrix)
        {
            return null;
        }
        long size = node.Attributes.Int("transB", 0) != 0 ? matrix[0] : matrix[1];
        return known.ShapeOf(node.Input(0)) is { Length: 2 } rows ? [node.Attributes.Int("transA", 0) != 0 ? rows[1] : rows[0], size] : [StandInSizes.Batch * StandInSizes.Sequence, size];
    }

    /// <summary>A Gather whose indices are not known: the rows of a table.</summary>
    private static long[]? LookUp(Node node, PartialEvaluation known)
    {
        if (known.ShapeOf(node.Input(0)) is not { } table || known.ShapeOf(node.Input(1)) is not { } indices)
        {
            return null;
        }
        int axis = Coordinates.Axis(node.Attributes.Int("axis", 0), table.Length);
        return [.. table[..axis], .. indices, .. table[(axis + 1)..]];
    }

    private static long[]? Embeddings(Node node, PartialEvaluation known) =>
        known.ShapeOf(node.Input(1)) is { } ids && known.ShapeOf(node.Input(2)) is { Length: 2 } scales ? [.. ids, scales[1] * node.Attributes.Int("block_size", 128)] : null;
}
