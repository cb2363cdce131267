using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>MatMul and com.microsoft.FusedMatMul with a constant second factor. FusedMatMul: alpha * x op(W).</summary>
internal sealed class MatMulKind : IProjectionKind
{
    public bool LooksFor(Node node) => node.Is("MatMul") || node.Is("FusedMatMul", Domains.Microsoft);

    public Match<Projection> Recognise(Node node)
    {
        bool fused = node.OpType == "FusedMatMul";
        if (fused && (node.Attributes.Int("transA", 0) != 0 || node.Attributes.Int("transBatchA", 0) != 0 || node.Attributes.Int("transBatchB", 0) != 0))
        {
            return Match<Projection>.Fail("the product transposes its first factor", node);
        }
        Match<FrozenMatrix> matrix = FrozenMatrices.Of(node.Input(1), fused && node.Attributes.Int("transB", 0) != 0);
        return matrix.Success
            ? new Projection(node, node.Output, Bias: null, matrix.Found.InputSize, matrix.Found.OutputSize)
            {
                Matrix = matrix.Found,
                Factor = fused ? node.Attributes.Float("alpha", 1) : 1,
            }
            : Match<Projection>.Fail(matrix);
    }
}
