using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Free optional bias inputs behind the output projection.</summary>
internal static class BiasPlace
{
    private const int NormalizationBiasInput = 3;
    private const int ProjectionBiasInput = 5;

    /// <summary>The node and the free input; null where the layer does not offer the place.</summary>
    public static (Node Node, int Input)? Of(AttentionSite site, OneTokenPlacement placement) => placement switch
    {
        OneTokenPlacement.NormalizationBias when site.End is { IsGraphOutput: false, Uses: [{ Input: 0 or 1, Node: { } reader }] }
            && reader.Is("SkipSimplifiedLayerNormalization", Domains.Microsoft) && reader.Input(NormalizationBiasInput) is null => (reader, NormalizationBiasInput),
        OneTokenPlacement.ProjectionBias when site.Output.IsQuantised && site.Output.Node.Input(ProjectionBiasInput) is null => (site.Output.Node, ProjectionBiasInput),
        _ => null,
    };
}
