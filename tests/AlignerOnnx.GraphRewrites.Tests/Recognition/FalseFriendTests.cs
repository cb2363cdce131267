using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>Layers that look like attention to the tokens of one sequence and are not, or are so in another order: each is reported, refused, and says why.</summary>
[TestClass]
public sealed class FalseFriendTests
{
    private const string Heads = """
        qh = Reshape (q, heads) qt = Transpose <perm = [0, 2, 1, 3]> (qh) kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 3, 1]> (kh) vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh)
        scores = MatMul (qt, kt) masked = Add (scores, mask) p = Softmax (masked)
        """;

    private const string Behind = "t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, flat)";

    /// <summary>Optimum's decoder_model_merged.onnx: one branch with a cache, one without.</summary>
    [TestMethod]
    public void ADecoderInBranches_IsRefusedAsSuch()
    {
        OnnxModel model = OnnxText.Load("""
            <ir_version: 8, opset_import: ["" : 17]>
            merged (float[s, 8] x, bool use_cache_branch) => (float[s, 8] y)
            { [choice] y = If (use_cache_branch) <then_branch = past () => (float[s, 8] a) { p = Softmax (x) a = MatMul (p, x) }, else_branch = first () => (float[s, 8] b) { b = Identity (x) }> }
            """);
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => RecognisedModel.Of(model).RequireSites());
        Assert.AreEqual("The decoder stands inside the branches of an If", refusal.What);
        Assert.Contains("choice", refusal.Message);
    }

    [TestMethod]
    public void DifferencesOfProbabilities_AreReported() => RuleTest.Fails(
        OtherFormTests.With($"{Heads} [difference] d = Sub (p, masked) h = MatMul (d, vt) {Behind}"),
        "the probabilities of the Softmax do not meet values as they are: they are combined with something else, or go nowhere", "Sub 'difference'");

    [TestMethod]
    public void GatedProbabilities_AreReported() => RuleTest.Fails(
        OtherFormTests.With($"{Heads} [gate] d = Mul (p, masked) h = MatMul (d, vt) {Behind}"),
        "the probabilities of the Softmax do not meet values as they are: they are combined with something else, or go nowhere", "Mul 'gate'");

    [TestMethod]
    public void StreamsThatAreAddedBeforeTheProjection_AreRefused() => RuleTest.Fails(
        OtherFormTests.With("b = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v) [sum] a = Add (b, x)"),
        "the attention output is combined with another value before its projection", "Add 'sum'");

    /// <summary>Heads repeated as blocks (k0 k1 k0 k1) would let query heads meet the keys of another group.</summary>
    [TestMethod]
    public void HeadsThatAreRepeatedAsBlocks_AreRefused() => RuleTest.Fails(
        OtherFormTests.With("""
            kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kh) [tile] kk = Concat <axis = 1> (kt, kt) kb = Transpose <perm = [0, 2, 1, 3]> (kk) kc = Reshape (kb, sixteen)
            vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh) vv = Concat <axis = 1> (vt, vt) vb = Transpose <perm = [0, 2, 1, 3]> (vv) vc = Reshape (vb, sixteen)
            a4 = com.microsoft.MultiHeadAttention <num_heads = 4, unidirectional = 1> (wide, kc, vc) a = Reshape (a4, flat)
            """).With("int64[3] flat = {0, 0, 8}", "float[8, 16] ww = [\"location\": \"ww\"], int64[3] sixteen = {0, 0, 16}, int64[3] flat = {0, 0, 8}").With("[query] q = MatMul (x, wq)", "[query] q = MatMul (x, wq) wide = MatMul (x, ww)"),
        "heads are joined with others than those of the cache", "Concat 'tile'");

    [TestMethod]
    public void HeadsThatChangePlaces_AreRefused() => RuleTest.Fails(
        OtherFormTests.With("""
            vh = Reshape (v, heads) [swap] vs = Gather <axis = 2> (vh, order) vf = Reshape (vs, flat) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, vf)
            """).With("int64[3] flat = {0, 0, 8}", "int64[2] order = {1, 0}, int64[3] flat = {0, 0, 8}"),
        "Gather is not a projection (MatMul, Gemm, MatMulNBits)", "Gather 'swap'");

    /// <summary>A Reshape that cuts heads differently, which no operator on the way shows.</summary>
    [TestMethod]
    public void ElementsThatChangeHeads_AreRefused() => RuleTest.Fails(
        OtherFormTests.With("""
            vh = Reshape (v, four_heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh) vu = Reshape (vt, two_rows) vs = Transpose <perm = [0, 2, 1, 3]> (vu) vf = Reshape (vs, flat)
            a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, vf)
            """).With("int64[3] flat = {0, 0, 8}", "int64[4] four_heads = {0, 0, 4, 2}, int64[4] two_rows = {0, 2, -1, 4}, int64[3] flat = {0, 0, 8}"),
        "heads are elements 2 to 7 of a projection, which is not a number of heads of 4", "MatMul 'value'");

    /// <summary>DeepSeek: values are projected from a compressed state of their own.</summary>
    [TestMethod]
    public void ValuesOfALatentState_AreRefused() => RuleTest.Fails(
        OtherFormTests.With("""
            latent = MatMul (x, wq) normal = SimplifiedLayerNormalization <epsilon = 0.00001> (latent, gain) [up] v2 = MatMul (normal, wv) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v2)
            """).With("int64[3] flat = {0, 0, 8}", "float[8] gain = {1, 1, 1, 1, 1, 1, 1, 1}, int64[3] flat = {0, 0, 8}"),
        "queries, keys and values are not projected from the same value: cross attention", "MatMul 'key'");

    /// <summary>Gemma 3n: a layer reads the keys and values of another.</summary>
    [TestMethod]
    public void KeysOfAnotherLayer_AreRefused() => RuleTest.Fails(
        OtherFormTests.With("""
            lengths = Constant <value_ints = [3]> () total = Constant <value_int = 4> ()
            [core] a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2> (q, past_key, past_value, past_key, past_value, lengths, total)
            """),
        "the value is not the output of a projection", "past_key");
}
