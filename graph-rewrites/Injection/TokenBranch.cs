using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The gated branch of a layer: queries attend to the tokens in a softmax of their own, and the result, times the gate of each head, joins what the attention gives.
/// Queries are [b, s, G, H / G, head size] and keys [b or 1, 1, G, n, head size]: heads of a group share a key, and no axis changes its place.
/// </summary>
internal sealed class TokenBranch(OnnxModel model)
{
    private readonly FinalQuery _queries = new(model);

    /// <summary>Adds the branch to one layer.</summary>
    /// <param name="emit">Names the nodes.</param>
    /// <param name="site">The layer.</param>
    /// <param name="keys">Keys of the tokens, not rotated: [b or 1, 1, G, n, head size], or without the first two axes.</param>
    /// <param name="values">Values of the tokens, of the same shape.</param>
    /// <param name="gate">Gates, [b or 1, 1, G, H / G, 1].</param>
    public void Add(OpEmitter emit, AttentionSite site, Value keys, Value values, Value gate)
    {
        Value query = _queries.Of(emit, site);
        Value scores = emit.FusedMatMul(query, keys, transposeB: true, alpha: site.Scale / site.QueryOperand.Factor);
        // Neither mask nor window nor sink: tokens have no position, and every query sees all of them.
        Value probabilities = emit.Op("Softmax", [SoftCap.Apply(emit, scores, site)], NodeAttributes.Of("axis", -1L));
        Value gated = emit.Mul(emit.MatMul(probabilities, values), gate);
        Value attended = site.Core.Output;
        Value sum = emit.Add(attended, emit.Reshape(gated, 0, 0, (long)site.QueryHeads * site.HeadSize));
        OnnxGraph.ReplaceUses(attended, sum, except: sum.Producer);
    }
}
