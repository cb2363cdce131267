using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>com.microsoft.MatMulNBits; its sixth input is a bias.</summary>
internal sealed class MatMulNBitsKind : IProjectionKind
{
    private const int BiasInput = 5;

    public bool LooksFor(Node node) => node.Is("MatMulNBits", Domains.Microsoft);

    public Match<Projection> Recognise(Node node)
    {
        if (QuantisedWeight.Misfit(node) is { } reason)
        {
            return Match<Projection>.Fail(reason, node);
        }
        long outputSize = node.Attributes.Int("N", 0);
        return node.Input(BiasInput) is { } bias && Constants.Vector(bias, outputSize) is null
            ? Match<Projection>.Fail($"the bias of the MatMulNBits is not a constant vector of {outputSize} elements", bias)
            : new Projection(node, node.Output, node.Input(BiasInput), node.Attributes.Int("K", 0), outputSize);
    }
}
