using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Decoding;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Which attention with a cache is computed by the kernel of our own.</summary>
[TestClass]
public sealed class CachedAttentionsTests
{
    private const string Attributes = "num_heads = 4, kv_num_heads = 2, do_rotary = 1, local_window_size = -1, softcap = 0.0, smooth_softmax = 0, rotary_interleaved = 0";
    private const string Inputs = "(q, k, v, pk, pv, lengths, total, cos, sin)";
    private const string Outputs = "y, nk, nv = ";
    private const int HeadSize = 16;
    private const string PastKeys = "float[b, 2, c, 16] pk";

    private const string Attention = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (float[b, s, 64] q, float[b, s, 32] k, float[b, s, 32] v, float[b, 2, c, 16] pk, float[b, 2, c, 16] pv, int32[b] lengths, int32 total, float[m, 8] cos, float[m, 8] sin, float[b, 1, s, t] bias, int64[b, s] places, float[4] sinks)
            => (float[b, s, 64] z, float[b, 2, c, 16] nk, float[b, 2, c, 16] nv)
        {
            y, nk, nv = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2, do_rotary = 1, local_window_size = -1, softcap = 0.0, smooth_softmax = 0, rotary_interleaved = 0> (q, k, v, pk, pv, lengths, total, cos, sin)
            z = Neg (y)
        }
        """;

    [TestMethod]
    public void AnAttention_IsReplaced() => RuleTest.Rewrites(Attention, model => Assert.AreEqual(1, CachedAttentions.Apply(model, HeadSize)), After("window = 0, interleaved = 0", "k, v, cos, sin", scale: "0.25"));

    [TestMethod]
    public void AttentionWithAWindowAndNeighboursRotated_KeepsThem() => RuleTest.Rewrites(
        Attention.With("local_window_size = -1", "local_window_size = 9").With("rotary_interleaved = 0", "rotary_interleaved = 1"), model => Assert.AreEqual(1, CachedAttentions.Apply(model, HeadSize)),
        After("window = 9, interleaved = 1", "k, v, cos, sin", scale: "0.25"));

    [TestMethod]
    public void AttentionWithAScale_KeepsIt() => RuleTest.Rewrites(
        Attention.With("softcap = 0.0", "scale = 0.5"), model => Assert.AreEqual(1, CachedAttentions.Apply(model, HeadSize)), After("window = 0, interleaved = 0", "k, v, cos, sin", scale: "0.5"));

    /// <summary>The tables are inputs of many exports where another node rotates.</summary>
    [TestMethod]
    public void AttentionThatDoesNotRotate_GetsNoTables() => RuleTest.Rewrites(
        Attention.With("do_rotary = 1", "do_rotary = 0"), model => Assert.AreEqual(1, CachedAttentions.Apply(model, HeadSize)), After("window = 0, interleaved = 0", "k, v, , ", scale: "0.25"));

    [TestMethod]
    public void PackedHeads_StayPacked() => RuleTest.Rewrites(
        Attention.With("float[b, s, 64] q", "float[b, s, 128] q").With(Inputs, "(q, , , pk, pv, lengths, total, cos, sin)"), model => Assert.AreEqual(1, CachedAttentions.Apply(model, HeadSize)),
        After("window = 0, interleaved = 0", ", , cos, sin", scale: "0.25").With("float[b, s, 64] q", "float[b, s, 128] q"));

    [TestMethod]
    [DataRow("softcap = 0.0", "softcap = 30.0", DisplayName = "softcap")]
    [DataRow("smooth_softmax = 0", "smooth_softmax = 1", DisplayName = "smooth softmax")]
    [DataRow("smooth_softmax = 0", "qk_output = 1", DisplayName = "scores are an output")]
    [DataRow("smooth_softmax = 0", "causal = 0", DisplayName = "queries see what follows")]
    [DataRow("smooth_softmax = 0", "sliding_window_cache = 1", DisplayName = "the cache slides")]
    [DataRow("smooth_softmax = 0", "something_new = 1", DisplayName = "an attribute that is not known")]
    [DataRow("num_heads = 4, kv_num_heads = 2", "num_heads = 3, kv_num_heads = 2", DisplayName = "groups of another size")]
    [DataRow(Inputs, "(q, k, v, pk, pv, lengths, total, cos, sin, places)", DisplayName = "positions")]
    [DataRow(Inputs, "(q, k, v, pk, pv, lengths, total, cos, sin, , bias)", DisplayName = "bias")]
    [DataRow(Inputs, "(q, k, v, pk, pv, lengths, total, cos, sin, , , sinks)", DisplayName = "sinks")]
    [DataRow(Inputs, "(q, k, v, pk, pv, lengths, total, cos)", DisplayName = "no sines")]
    [DataRow(Inputs, "(q, k, , pk, pv, lengths, total, cos, sin)", DisplayName = "no values")]
    [DataRow(PastKeys, "float16[b, 2, c, 16] pk", DisplayName = "float16")]
    [DataRow("float[b, 2, c, 16] pv", "float16[b, 2, c, 16] pv", DisplayName = "values of float16")]
    [DataRow("com.microsoft.GroupQueryAttention", "GroupQueryAttention", DisplayName = "an operator of another domain")]
    public void AnotherAttention_StaysAsItIs(string part, string replacement)
    {
        string text = Attention.With(part, replacement);
        RuleTest.Rewrites(text, model => Assert.AreEqual(0, CachedAttentions.Apply(model, HeadSize)), text);
    }

    [TestMethod]
    public void HeadsWhoseSizeIsNoMultipleOf8_StayAsTheyAre() => RuleTest.Rewrites(Attention, model => Assert.AreEqual(0, CachedAttentions.Apply(model, headSize: 20)), Attention);

    /// <summary>As GenAI's model builder writes it.</summary>
    [TestMethod]
    public void CachesThatDoNotDeclareTheHeadSize_AreNoObstacle() => Assert.AreEqual(1, CachedAttentions.Apply(OnnxText.Load(Attention.With(PastKeys, "float[b, 2, c, d] pk")), HeadSize));

    [TestMethod]
    public void AttentionWhosePresentValuesAreMissing_StaysAsItIs()
    {
        string text = Attention.With(", float[b, 2, c, 16] nv)", ")").With(Outputs, "y, nk = ");
        RuleTest.Rewrites(text, model => Assert.AreEqual(0, CachedAttentions.Apply(model, HeadSize)), text);
    }

    /// <summary>ONNX Runtime refuses operators of a domain that is not imported.</summary>
    [TestMethod]
    public void TheDomainIsImported()
    {
        OnnxModel model = OnnxText.Load(Attention);
        CachedAttentions.Apply(model, HeadSize);
        Assert.AreEqual(1, model.ToProto().OpsetImport.Single(import => import.Domain == KernelOperators.Domain).Version);
    }

    private static string After(string attributes, string last, string scale) => Attention.With("\"com.microsoft\" : 1", "\"com.microsoft\" : 1, \"aligner\" : 1")
        .With("{\n    y, nk, nv = com.microsoft.GroupQueryAttention <" + Attributes + "> " + Inputs,
            "<float scale = {" + scale + "}>\n{\n    y, nk, nv = aligner.CachedAttention <heads = 4, key_value_heads = 2, " + attributes + "> (q, pk, pv, lengths, scale, " + last + ", )");
}
