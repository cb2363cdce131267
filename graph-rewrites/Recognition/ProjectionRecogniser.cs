using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Finds projections: MatMul with a constant matrix, or MatMulNBits, each with or without an Add of a constant vector behind it.</summary>
internal static class ProjectionRecogniser
{
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
        (Value? bias, Value? sum) = node.Input(0) is { IsConstant: true } first ? (first, node.Input(1)) : (node.Input(1), node.Input(0));
        return bias is { IsConstant: true } && sum?.Producer is { } producer
            ? Of(producer, result, bias)
            : Match<Projection>.Fail("the value is a sum, not the output of a projection", node);
    }

    /// <summary>The only projection that reads a value, with the bias behind it.</summary>
    public static Match<Projection> Reading(Value source)
    {
        if (source.IsGraphOutput || source.Uses.Count != 1 || source.Uses[0].Input != 0)
        {
            return Match<Projection>.Fail("the attention output does not go into exactly one output projection", source);
        }
        Node node = source.Uses[0].Node;
        if (node.Outputs is [{ IsGraphOutput: false, Uses: [{ Node: { } add }] } sum] && add.Is("Add")
            && add.Inputs.FirstOrDefault(input => input != sum) is { IsConstant: true, Initializer.Shape.Count: 1 } bias)
        {
            return Of(node, add.Output, bias);
        }
        return Of(node, node.Output, bias: null);
    }

    private static Match<Projection> Of(Node node, Value result, Value? bias) =>
        node.Is("MatMul") ? OfMatMul(node, result, bias)
        : node.Is("MatMulNBits", Domains.Microsoft) ? OfMatMulNBits(node, result, bias)
        : Match<Projection>.Fail($"{node.OpType} is not a projection (MatMul or MatMulNBits)", node);

    private static Match<Projection> OfMatMul(Node node, Value result, Value? bias) =>
        node.Input(1) is { IsConstant: true, Initializer.Shape: { Count: 2 } shape }
            ? new Projection(node, result, bias, shape[0], shape[1])
            : Match<Projection>.Fail("the second factor is not a constant matrix", node.Input(1));

    private static Match<Projection> OfMatMulNBits(Node node, Value result, Value? bias)
    {
        long inputSize = node.Attributes.Int("K", 0);
        long outputSize = node.Attributes.Int("N", 0);
        string? misfit = QuantisedWeight.Misfit(node);
        if (misfit is not null)
        {
            return Match<Projection>.Fail(misfit, node);
        }
        return node.Input(5) is { } own && bias is not null
            ? Match<Projection>.Fail("the projection has two biases", own)
            : new Projection(node, result, bias ?? node.Input(5), inputSize, outputSize);
    }
}
