using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Attention that is in elementary operators already stays as it is, masks and all; only its queries are made to look as those of fused attention.</summary>
internal static class DecomposedAttentionLowering
{
    /// <summary>Gives the values that the branch of tokens joins.</summary>
    public static LoweredSite Lower(OnnxGraph graph, AttentionSite site)
    {
        OpEmitter emit = new(graph, $"aligner.layer{site.Layer}");
        Value query = emit.Reshape(emit.Transpose(site.QueryOperand!.Value, 0, 2, 1, 3), 0, 0, site.Query.Count);
        return new LoweredSite(site, query, site.Attended.Value, site.Attended.Layout);
    }
}
