using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>Every operator that may be a projection.</summary>
internal static class ProjectionKinds
{
    private static readonly IProjectionKind[] All = [new MatMulKind(), new GemmKind(), new MatMulNBitsKind(), new DynamicQuantizeMatMulKind(), new IntegerProductKind(), new UnreadableKind()];

    /// <summary>The projection that a node alone computes, or why it is none.</summary>
    public static Match<Projection> Of(Node node) =>
        node.Outputs is not [{ }, ..] ? Match<Projection>.Fail("the node has no first output", node)
        : Array.Find(All, kind => kind.LooksFor(node))?.Recognise(node)
        ?? Match<Projection>.Fail($"{node.OpType} is not a projection (MatMul, Gemm, MatMulNBits)", node);
}
