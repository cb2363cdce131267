using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>Gemm of two dimensions: alpha * x op(W) + beta * bias.</summary>
internal sealed class GemmKind : IProjectionKind
{
    public bool LooksFor(Node node) => node.Is("Gemm");

    public Match<Projection> Recognise(Node node)
    {
        if (node.Attributes.Int("transA", 0) != 0)
        {
            return Match<Projection>.Fail("the product transposes its first factor", node);
        }
        Match<FrozenMatrix> matrix = FrozenMatrices.Of(node.Input(1), node.Attributes.Int("transB", 0) != 0);
        if (!matrix.Success)
        {
            return Match<Projection>.Fail(matrix);
        }
        float beta = node.Attributes.Float("beta", 1);
        Value? bias = beta == 0 ? null : node.Input(2);
        return bias is not null && (beta != 1 || Constants.Vector(bias, matrix.Found.OutputSize) is null)
            ? Match<Projection>.Fail($"the bias of the Gemm is not a constant vector of {matrix.Found.OutputSize} elements with beta 1", bias)
            : new Projection(node, node.Output, bias, matrix.Found.InputSize, matrix.Found.OutputSize)
            {
                Matrix = matrix.Found,
                Factor = node.Attributes.Float("alpha", 1),
            };
    }
}
