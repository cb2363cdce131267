using AlignerOnnx.Graph;

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
        Match<SitePaths> paths = SiteParts.Trace(scores.Queries, scores.Keys, values);
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        Match<Projection> output = ProjectionRecogniser.Reading(product.Output);
        if (!output.Success)
        {
            return Match<AttentionSite>.Fail(output);
        }
        HeadsPath queries = paths.Found.Query;
        if (queries.HeadSize < 1)
        {
            return Match<AttentionSite>.Fail("the head size cannot be read from the graph", scores.Queries);
        }
        (float scale, float before) = ScaleOf(scores, paths.Found);
        Match<AttentionSite> site = SiteParts.Assemble(layer, Form, core, paths.Found, queries.Slice.Count / queries.HeadSize, paths.Found.Key.Slice.Count / queries.HeadSize,
            output.Found, rotary: null, scale, 
            new QueryOperand(scores.Queries, HeadLayout.HeadMajor, IsPacked: false, IsNormalised: true, IsRotated: true) { Factor = before }, new HeadsValue(product.Output, HeadLayout.HeadMajor));
        return site.Success ? site.Found with { Scores = new ScoreFacts(scores.SoftCap, IsCausal: false) } : site;
    }

    /// <summary>The whole factor on scores, and the part that the queries carry already. PyTorch's own scale, computed from shapes, is 1 / sqrt(head size) in equal parts.</summary>
    private static (float Scale, float Before) ScaleOf(DecomposedScores scores, SitePaths paths)
    {
        double standard = 1 / Math.Sqrt(paths.Query.HeadSize);
        double queries = double.IsNaN(paths.Query.Factor) ? Math.Sqrt(standard) : paths.Query.Factor;
        double keys = double.IsNaN(paths.Key.Factor) ? Math.Sqrt(standard) : paths.Key.Factor;
        return ((float)(queries * keys * scores.Factor), (float)queries);
    }
}
