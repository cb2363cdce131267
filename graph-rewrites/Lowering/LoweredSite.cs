using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>An attention site after lowering: what was hidden inside the fused node is now a value of the graph.</summary>
/// <param name="Site">The site.</param>
/// <param name="RotatedQuery">The queries after the rotary embedding, [b, s, H * head size].</param>
/// <param name="Attended">The attention output before the output projection.</param>
/// <param name="Layout">How <paramref name="Attended"/> arranges the heads: side by side [b, s, H * head size], or [b, H, s, head size].</param>
public sealed record LoweredSite(AttentionSite Site, Value RotatedQuery, Value Attended, HeadLayout Layout);
