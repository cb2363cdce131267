using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The gated branch of a layer: queries attend to the tokens in a softmax of their own, and the result, times the gate of each head, joins what the attention gives.
/// Queries are [b, s, G, H / G, head size], of head-major graphs [b, 1, G, H / G * s, head size]; keys [b or 1, 1, G, n, head size] fit both without a transposition.
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
    /// <exception cref="ModelRefusedException">The layer's queries cannot be reached.</exception>
    public void Add(OpEmitter emit, AttentionSite site, Value keys, Value values, Value gate)
    {
        (Value query, bool headMajor) = _queries.Of(emit, site);
        Value scores = emit.FusedMatMul(query, keys, transposeB: true, alpha: site.Scale / site.QueryOperand!.Factor);
        // Neither mask nor window nor sink: tokens have no position, and every query sees all of them.
        Value probabilities = emit.Op("Softmax", [SoftCap.Apply(emit, scores, site)], NodeAttributes.Of("axis", -1L));
        Value mixed = emit.MatMul(probabilities, values);
        Value gated = emit.Mul(headMajor ? emit.Reshape(mixed, 0, 1, site.KeyValueHeads, site.QueryHeads / site.KeyValueHeads, -1) : mixed, gate);
        (Value attended, HeadLayout layout) = (site.Attended.Value, site.Attended.Layout);
        Value sum = emit.Add(attended, Arrange(emit, site, gated, headMajor, layout));
        OnnxGraph.ReplaceUses(attended, sum, except: sum.Producer);
    }

    /// <summary>The branch in the layout of what it is added to.</summary>
    private static Value Arrange(OpEmitter emit, AttentionSite site, Value gated, bool headMajor, HeadLayout layout)
    {
        long size = (long)site.QueryHeads * site.HeadSize;
        if (headMajor)
        {
            Value heads = emit.Reshape(gated, 0, site.QueryHeads, -1, site.HeadSize);
            return layout switch
            {
                HeadLayout.HeadMajor => heads,
                HeadLayout.SequenceHeads => emit.Transpose(heads, 0, 2, 1, 3),
                _ => emit.Reshape(emit.Transpose(heads, 0, 2, 1, 3), 0, 0, size),
            };
        }
        return layout switch
        {
            HeadLayout.HeadMajor => emit.Transpose(emit.Reshape(gated, 0, 0, site.QueryHeads, site.HeadSize), 0, 2, 1, 3),
            HeadLayout.SequenceHeads => emit.Reshape(gated, 0, 0, site.QueryHeads, site.HeadSize),
            _ => emit.Reshape(gated, 0, 0, size),
        };
    }
}
