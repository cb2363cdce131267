using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Attention scores that a model keeps within bounds (Gemma 2): cap * tanh(score / cap).</summary>
internal static class SoftCap
{
    /// <summary>The capped scores; the scores themselves where the site has no cap. Scores of tokens are capped like those of the sequence.</summary>
    public static Value Apply(OpEmitter emit, Value scores, AttentionSite site)
    {
        float cap = site.Scores.SoftCap;
        if (cap == 0)
        {
            return scores;
        }
        Value capped = emit.Mul(emit.Op("Tanh", [emit.Mul(scores, emit.Scalar(1 / cap, site.ElementType))]), emit.Scalar(cap, site.ElementType));
        capped.Type = scores.Type;
        return capped;
    }
}
