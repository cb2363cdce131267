using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Lowering;

/// <summary>Softmax attention stays as it is. The branch of tokens finds its queries, [b, s, 8], with heads side by side, and what attention gives, however the graph arranges heads. Two heads of 4.</summary>
[TestClass]
public sealed class DecomposedAttentionLoweringTests
{
    private const string HeadsBeforeTheSequence = """
        qh = Reshape (q, {0, 0, 2, 4})
        qt = Transpose <perm = [0, 2, 1, 3]> (qh)
        kh = Reshape (k, {0, 0, 2, 4})
        kt = Transpose <perm = [0, 2, 3, 1]> (kh)
        vh = Reshape (v, {0, 0, 2, 4})
        vt = Transpose <perm = [0, 2, 1, 3]> (vh)
        scores = MatMul (qt, kt)
        masked = Add (scores, mask)
        p = Softmax (masked)
        h = MatMul (p, vt)
        t = Transpose <perm = [0, 2, 1, 3]> (h)
        a = Reshape (t, {0, 0, 8})
        """;

    private const string HeadsBehindTheSequence = """
        qh = Reshape (q, {0, 0, 2, 4})
        kh = Reshape (k, {0, 0, 2, 4})
        vh = Reshape (v, {0, 0, 2, 4})
        scores = Einsum <equation = "bqhd,bkhd->bhqk"> (qh, kh)
        masked = Add (scores, mask)
        p = Softmax (masked)
        h = Einsum <equation = "bhqk,bkhd->bqhd"> (p, vh)
        a = Reshape (h, {0, 0, 8})
        """;

    [TestMethod]
    public void HeadsBeforeTheSequence_StayApartInWhatAttentionGives() => RuleTest.Rewrites(
        Decoder(HeadsBeforeTheSequence), Lower(HeadLayout.HeadMajor),
        Decoder($"{HeadsBeforeTheSequence} by_token = Transpose <perm = [0, 2, 1, 3]> (qt) beside = Reshape (by_token, {{0, 0, 8}}) query = Identity (beside) attended = Identity (h)", ", float query, float attended"));

    [TestMethod]
    public void HeadsBehindTheSequence_AreJoinedAndTakenApartAgain() => RuleTest.Rewrites(
        Decoder(HeadsBehindTheSequence), Lower(HeadLayout.SequenceMajor),
        Decoder(HeadsBehindTheSequence.With("a = Reshape (h,", """
            joined = Reshape (h, {0, 0, 8}) apart = Reshape (joined, {0, 0, 2, 4}) beside = Reshape (qh, {0, 0, 8}) query = Identity (beside) attended = Identity (joined)
            a = Reshape (apart,
            """), ", float query, float attended"));

    private static string Decoder(string attention, string outputs = "") => $$"""
        <ir_version: 10, opset_import: ["" : 21]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x, float[s, s] mask) => (float[b, s, 8] logits{{outputs}})
            <float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"]>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            {{attention}}
            o = MatMul (a, wo)
            logits = Add (x, o)
        }
        """.WithLists();

    /// <summary>Lowers and makes outputs of what the branch of tokens reads and joins.</summary>
    private static Action<OnnxModel> Lower(HeadLayout layout) => model =>
    {
        LoweredSite site = DecoderLowering.Apply(model, RecognisedModel.Of(model).RequireSites()).Sites.Single();
        Assert.AreEqual(layout, site.Layout);
        foreach ((string name, Value value) in new[] { ("query", site.RotatedQuery), ("attended", site.Attended) })
        {
            model.Graph.AddOutput(model.Graph.AddNode("Identity", Domains.Standard, "", [value], [name]).Output, Shapes.Declare(Onnx.TensorProto.Types.DataType.Float));
        }
    };
}
