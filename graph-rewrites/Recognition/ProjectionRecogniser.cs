using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Finds projections: MatMul, FusedMatMul or Gemm with a constant matrix, or MatMulNBits, each with or without an Add of a constant vector behind it.</summary>
internal static class ProjectionRecogniser
{
    private const int Steps = 8;

    /// <summary>The projection that computes a value.</summary>
    public static Match<Projection> Computing(Value result)
    {
        if (result.Producer is not { } node)
        {
            return Match<Projection>.Fail("the value is not the output of a projection", result);
        }
        if (!node.Is("Add"))
        {
            return Of(node, result, bias: null);
        }
        (Value? bias, Value? sum) = BiasOf(node);
        return bias is not null && sum?.Producer is { } producer
            ? Of(producer, result, bias)
            : Match<Projection>.Fail("the value is a sum, not the output of a projection (is a LoRA merged into the graph?)", node);
    }

    /// <summary>The only projection that reads a value, behind any change of layout, with the bias behind it.</summary>
    public static Match<Projection> Reading(Value source)
    {
        for (int step = 0; step < Steps; step++)
        {
            if (source.IsGraphOutput || source.Uses.Count != 1 || source.Uses[0].Input != 0)
            {
                return Match<Projection>.Fail("the attention output does not go into exactly one output projection", source);
            }
            Node node = source.Uses[0].Node;
            if (node.OpType is not ("Reshape" or "Transpose" or "Cast" or "Identity" or "Squeeze" or "Unsqueeze"))
            {
                return OutputOf(node);
            }
            source = node.Output;
        }
        return Match<Projection>.Fail("the attention output does not go into an output projection", source);
    }

    private static Match<Projection> OutputOf(Node node)
    {
        if (node.Outputs is not [{ } result])
        {
            return Match<Projection>.Fail($"{node.OpType} is not a projection", node);
        }
        Value? bias = null;
        if (OnlyReader(result) is { } add && add.Is("Add") && BiasOf(add) is { Bias: { } found } && found != result)
        {
            (bias, result) = (found, add.Output);
        }
        // A product of flattened rows: the sequence gets its dimension back before the residual sum.
        if (HasTwoDimensions(node) && OnlyReader(result) is { OpType: "Reshape" } reshape)
        {
            result = reshape.Output;
        }
        Match<Projection> projection = Of(node, result, bias);
        return !projection.Success ? projection
            : result.IsGraphOutput ? Match<Projection>.Fail("the result of the output projection is itself an output of the graph", result)
            : HasTwoDimensions(node) && result == node.Output ? Match<Projection>.Fail("the output projection's result has no dimension for the sequence", result)
            : projection;
    }

    private static bool HasTwoDimensions(Node node) => node.Is("Gemm") || node.Output.Type?.TensorType?.Shape?.Dim.Count == 2;

    private static Node? OnlyReader(Value value) => value is { IsGraphOutput: false, Uses: [{ Input: not Use.Subgraph } use] } ? use.Node : null;

    /// <summary>The constant vector of a sum and what it is added to.</summary>
    private static (Value? Bias, Value? Sum) BiasOf(Node add) =>
        add.Input(0) is { IsConstant: true, Initializer.Shape.Count: 1 } first ? (first, add.Input(1))
        : add.Input(1) is { IsConstant: true, Initializer.Shape.Count: 1 } second ? (second, add.Input(0))
        : (null, null);

    private static Match<Projection> Of(Node node, Value result, Value? bias) => (node.OpType, node.Domain) switch
    {
        ("MatMul", Domains.Standard) => OfMatrix(node, result, bias, transposed: false),
        ("FusedMatMul", Domains.Microsoft) when node.Attributes.Int("transA", 0) == 0 => OfMatrix(node, result, bias, node.Attributes.Int("transB", 0) != 0),
        ("Gemm", Domains.Standard) when node.Attributes.Int("transA", 0) == 0 => OfGemm(node, result, bias),
        ("MatMulNBits", Domains.Microsoft) => OfMatMulNBits(node, result, bias),
        _ => Match<Projection>.Fail($"{node.OpType} is not a projection (MatMul, Gemm or MatMulNBits)", node),
    };

    private static Match<Projection> OfMatrix(Node node, Value result, Value? bias, bool transposed)
    {
        Match<FrozenMatrix> matrix = FrozenMatrices.Of(node.Input(1), transposed);
        return !matrix.Success ? Match<Projection>.Fail(matrix)
            : bias is not null && bias.Initializer!.Count != matrix.Found.OutputSize ? Match<Projection>.Fail($"the bias has {bias.Initializer.Count} elements, the projection gives {matrix.Found.OutputSize}", bias)
            : new Projection(node, result, bias, matrix.Found.InputSize, matrix.Found.OutputSize)
            {
                Matrix = matrix.Found,
                Factor = node.OpType is "Gemm" or "FusedMatMul" ? node.Attributes.Float("alpha", 1) : 1,
            };
    }

    private static Match<Projection> OfGemm(Node node, Value result, Value? bias)
    {
        if (node.Input(2) is not { } own)
        {
            return OfMatrix(node, result, bias, node.Attributes.Int("transB", 0) != 0);
        }
        return bias is not null ? Match<Projection>.Fail("the projection has two biases", own)
            : own is not { IsConstant: true, Initializer.Shape.Count: 1 } || node.Attributes.Float("beta", 1) != 1 ? Match<Projection>.Fail("the bias of the Gemm is not a constant vector", own)
            : OfMatrix(node, result, own, node.Attributes.Int("transB", 0) != 0);
    }

    private static Match<Projection> OfMatMulNBits(Node node, Value result, Value? bias)
    {
        string? misfit = QuantisedWeight.Misfit(node);
        if (misfit is not null)
        {
            return Match<Projection>.Fail(misfit, node);
        }
        return node.Input(5) is { } own && bias is not null
            ? Match<Projection>.Fail("the projection has two biases", own)
            : new Projection(node, result, bias ?? node.Input(5), node.Attributes.Int("K", 0), node.Attributes.Int("N", 0));
    }
}
