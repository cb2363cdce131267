using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Attention in elementary operators, as Optimum and torch.onnx write it: softmax(q k^T * scale + mask) v. The core is the Softmax.</summary>
internal sealed class DecomposedAttentionRecogniser : IAttentionRecogniser
{
    private const string Form = "MatMul-Softmax-MatMul";

    public bool LooksFor(Node node) => node.Is("Softmax");

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        if (DecomposedScores.Of(core) is not { } scores)
        {
            return Match<AttentionSite>.Fail("the scores are not a product of queries and keys", core);
        }
        if (DecomposedScores.ProductWithValues(core) is not { } product || product.Input(1) is not { } values)
        {
            return Match<AttentionSite>.Fail("the probabilities are not multiplied with values", core);
        }
        if (!scores.IsMasked)
        {
            return Match<AttentionSite>.Fail("the attention sees the whole sequence: an encoder, not a decoder", core);
        }
        Match<HeadsPath[]> paths = SiteParts.Trace(scores.Queries, scores.Keys, values);
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        return new SiteParts(layer, Form, core, paths.Found[0], paths.Found[1], paths.Found[2], 0, 0, new HeadsValue(product.Output, HeadLayout.HeadMajor))
        {
            Scale = (float)scores.Factor,
            Operand = new QueryOperand(scores.Queries, HeadLayout.HeadMajor, IsPacked: false, IsNormalised: true, IsRotated: true),
            Scores = new ScoreFacts(scores.SoftCap, IsCausal: false),
        }.Assemble();
    }
}
