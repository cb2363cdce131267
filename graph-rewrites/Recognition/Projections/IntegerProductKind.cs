using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>
/// The int8 product of dynamic quantisation, as its exporters write it and as ONNX Runtime fuses it: DynamicQuantizeLinear rounds x, MatMulInteger multiplies with the
/// stored weight, and a Mul applies both scales; or com.microsoft.MatMulIntegerToFloat does the last two.
/// MatMulInteger inputs: 0 x, 1 weight, 2 zero point of x, 3 zero points of the weight. MatMulIntegerToFloat: 0 x, 1 weight, 2 scale of x, 3 scales of the weight,
/// 4 and 5 zero points, 6 bias.
/// </summary>
internal sealed class IntegerProductKind : IProjectionKind
{
    private const string Fused = "MatMulIntegerToFloat";

    public bool LooksFor(Node node) => node.Is(Fused, Domains.Microsoft) || (node.Is("Mul") && ProductOf(node) is not null);

    public Match<Projection> Recognise(Node node)
    {
        if (node.OpType == Fused)
        {
            return Of(node, node.Input(0), node.Input(1), node.Input(3), node.Input(5), node.Input(6));
        }
        Node product = ProductOf(node)!;
        Value? scales = node.Inputs.First(input => input?.Producer?.OpType != "Cast");
        Value? ofWeight = scales?.Producer is { OpType: "Mul" } both ? both.Inputs.FirstOrDefault(input => Constants.Of(input) is not null) : null;
        return Of(node, product.Input(0), product.Input(1), ofWeight, product.Input(3), bias: null);
    }

    private static Node? ProductOf(Node multiply) =>
        multiply.Inputs.Select(input => input?.Producer).FirstOrDefault(producer => producer is { OpType: "Cast" })?.Input(0)?.Producer is { OpType: "MatMulInteger" } product
        && multiply.Inputs is [{ Producer: { } a }, { Producer: { } b }] && (a.OpType == "Cast") != (b.OpType == "Cast") ? product : null;

    private static Match<Projection> Of(Node node, Value? rounded, Value? weight, Value? scales, Value? zeroPoints, Value? bias)
    {
        if (rounded?.Producer is not { OpType: "DynamicQuantizeLinear" } quantise || quantise.Input(0) is not { } source)
        {
            return Match<Projection>.Fail("the activations of the integer product are not rounded by DynamicQuantizeLinear", node);
        }
        Match<FrozenMatrix> matrix = FrozenMatrices.Quantised(node, weight, scales, zeroPoints, axis: 1, blockSize: 0);
        return !matrix.Success ? Match<Projection>.Fail(matrix)
            : bias is not null && Constants.Vector(bias, matrix.Found.OutputSize) is null ? Match<Projection>.Fail("the bias of the product is not a constant vector", bias)
            : new Projection(node, node.Output, bias, matrix.Found.InputSize, matrix.Found.OutputSize) { Matrix = matrix.Found, Source = source, RoundsActivations = true };
    }
}
