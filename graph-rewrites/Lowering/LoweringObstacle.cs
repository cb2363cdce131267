using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Sites that can be recognised, and patched at least with a folded vector, but not lowered.</summary>
internal static class LoweringObstacle
{
    /// <summary>Why a site cannot be lowered; null where it can.</summary>
    public static string? Of(AttentionSite site) =>
        site.QueryOperand is null or { Interleaved: true } or { Layout: HeadLayout.Flat } ? "its queries are hidden in the operator"
        : site.QueryOperand is { IsNormalised: false } && site.QueryNormalization is { PerHead: false } ? "queries are normalised over all heads inside the operator"
        : site.Core.Input(1) is not null && site.Core.Input(2) is null ? "keys and values of each head stand side by side in one operand"
        : site.Scores.LocalWindow == 0 ? "its window of 0 lets no query see a key"
        : null;
}
