using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Attention that is in elementary operators already stays as it is, masks and all; only its queries, and heads behind the sequence, are made to look as those of fused attention.</summary>
internal static class DecomposedAttentionLowering
{
    /// <summary>Gives the values that the branch of tokens joins.</summary>
    public static LoweredSite Lower(OnnxGraph graph, AttentionSite site)
    {
        OpEmitter emit = new(graph, $"aligner.layer{site.Layer}");
        Value query = HeadArrangement.SideBySide(emit, site.QueryOperand!.Value, site.QueryOperand.Layout, site.Query.Count);
        return site.Attended.Layout == HeadLayout.SequenceHeads
            ? new LoweredSite(site, query, Join(emit, site), HeadLayout.SequenceMajor)
            : new LoweredSite(site, query, site.Attended.Value, site.Attended.Layout);
    }

    /// <summary>[b, s, H, head size] as [b, s, H * head size], and apart again for what reads it.</summary>
    private static Value Join(OpEmitter emit, AttentionSite site)
    {
        Value apart = site.Attended.Value;
        Value joined = HeadArrangement.SideBySide(emit, apart, site.Attended.Layout, site.Query.Count);
        OnnxGraph.ReplaceUses(apart, emit.Reshape(joined, 0, 0, site.QueryHeads, site.HeadSize), except: joined.Producer);
        return joined;
    }
}
