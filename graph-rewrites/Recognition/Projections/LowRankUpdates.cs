using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>A LoRA branch beside a projection: B (A x), times a number, as model builders write it when they export an adapter with the model.</summary>
internal static class LowRankUpdates
{
    private const int Steps = 4;

    /// <summary>The most rows that a matrix has to be called of low rank; larger than any LoRA in use.</summary>
    private const long MostRank = 4096;

    /// <summary>The branch that computes a value from the source of a projection; null where the value is none.</summary>
    /// <param name="addend">What is added to the projection.</param>
    /// <param name="projection">The projection.</param>
    public static LowRankBranch? Of(Value addend, Projection projection)
    {
        (Value? value, float factor) = ThroughFactors(addend);
        if (value?.Producer is not { } up || !IsProduct(up) || up.Input(0) is not { } between)
        {
            return null;
        }
        (Value? low, float inner) = ThroughFactors(between);
        if (low?.Producer is not { } down || !IsProduct(down) || down.Input(0) is not { } source || !Sources.AreSame(source, projection.Source))
        {
            return null;
        }
        if (ProjectionKinds.Of(up) is { Success: true, Found: { } upProjection } && ProjectionKinds.Of(down) is { Success: true, Found: { } downProjection })
        {
            return downProjection.OutputSize == upProjection.InputSize && upProjection.OutputSize == projection.OutputSize && downProjection.OutputSize <= MostRank
                ? new LowRankBranch(new LowRankUpdate(downProjection, upProjection, factor * inner), up)
                : null;
        }
        return IsFed(up) || IsFed(down) ? new LowRankBranch(null, up) : null;
    }

    private static bool IsProduct(Node node) => node.OpType is "MatMul" or "Gemm" or "FusedMatMul" or "MatMulNBits";

    /// <summary>Whether a caller may feed the matrix.</summary>
    private static bool IsFed(Node product)
    {
        Value? matrix = product.Input(1);
        for (int step = 0; step < Steps && matrix?.Producer is { OpType: "Transpose" or "Cast" or "Identity" or "DequantizeLinear" } layout; step++)
        {
            matrix = layout.Input(0);
        }
        return matrix is { IsGraphInput: true };
    }

    private static (Value? Value, float Factor) ThroughFactors(Value value)
    {
        (Value? at, float factor) = (value, 1f);
        for (int step = 0; step < Steps && at?.Producer is { } node; step++)
        {
            if (node.OpType is "Cast" or "Identity")
            {
                at = node.Input(0);
            }
            else if (node.Is("Mul") && Constants.Number(node.Input(1)) is float second)
            {
                (at, factor) = (node.Input(0), factor * second);
            }
            else if (node.Is("Mul") && Constants.Number(node.Input(0)) is float first)
            {
                (at, factor) = (node.Input(1), factor * first);
            }
            else
            {
                break;
            }
        }
        return (at, factor);
    }
}

/// <summary>A LoRA branch that was found.</summary>
/// <param name="Update">Its matrices; null where callers may feed them.</param>
/// <param name="Node">The node that multiplies with B.</param>
internal sealed record LowRankBranch(LowRankUpdate? Update, Node Node);
