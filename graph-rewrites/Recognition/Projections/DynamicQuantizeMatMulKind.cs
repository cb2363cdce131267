using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>
/// com.microsoft.DynamicQuantizeMatMul: activations are rounded to int8 by their own range, the int8 weight stands for (element - zero point) * scale, one scale or one
/// a column. Inputs: 0 x, 1 weight, 2 scales, 3 zero points, 4 bias.
/// </summary>
internal sealed class DynamicQuantizeMatMulKind : IProjectionKind
{
    private const int BiasInput = 4;

    public bool LooksFor(Node node) => node.Is("DynamicQuantizeMatMul", Domains.Microsoft);

    public Match<Projection> Recognise(Node node)
    {
        Match<FrozenMatrix> matrix = FrozenMatrices.Quantised(node, node.Input(1), node.Input(2), node.Input(3), axis: 1, blockSize: 0);
        return !matrix.Success ? Match<Projection>.Fail(matrix)
            : node.Input(BiasInput) is { } bias && Constants.Vector(bias, matrix.Found.OutputSize) is null
            ? Match<Projection>.Fail("the bias of the product is not a constant vector", bias)
            : new Projection(node, node.Output, node.Input(BiasInput), matrix.Found.InputSize, matrix.Found.OutputSize) { Matrix = matrix.Found, RoundsActivations = true };
    }
}
