using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>
/// Keys and values of tokens: the layer's own projections of the raw tokens with all that belongs to them, keys normalised where the layer normalises keys, and never rotated.
/// Portable slots on a layer of hidden size 8, with four query heads of 4 over two key/value heads.
/// </summary>
[TestClass]
public sealed class TokenProjectionRuleTests
{
    private const string Before = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (float[b, s, 8] x, int32[b] lengths, int32 total) => (float[b, s, 8] y)
            <float[8, 16] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[16, 8] wo = ["location": "wo"], float two = {2}>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            a = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2, scale = 0.25> (q, k, v, , , lengths, total)
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    private const string Keys = "keys = MatMul (\"aligner.tokens\", wk)";
    private const string Values = "values = MatMul (\"aligner.tokens\", wv)";

    [TestMethod]
    public void SeparateProjections_EachProjectTheTokens() => Rewrites(Before, Keys, Values);

    // Qwen 3: each head of 4; OLMo 2: both heads together.
    [TestMethod]
    [DataRow("float[4] nk = {4, 3, 2, 1}", "heads = Reshape (k, {0, 0, 2, 4}) normal = SimplifiedLayerNormalization <epsilon = 0.5> (heads, nk) nk3 = Reshape (normal, {0, 0, 8})",
        "raw_heads = Reshape (raw, {0, 2, 4}) token_normal = SimplifiedLayerNormalization <epsilon = 0.5> (raw_heads, nk) keys = Reshape (token_normal, {0, 8})", DisplayName = "each head")]
    [DataRow("float[8] nk = {8, 7, 6, 5, 4, 3, 2, 1}", "nk3 = SimplifiedLayerNormalization <epsilon = 0.5> (k, nk)", "keys = SimplifiedLayerNormalization <epsilon = 0.5> (raw, nk)", DisplayName = "all heads together")]
    public void KeysThatTheLayerNormalises_AreNormalised(string weight, string ofSequence, string ofTokens) => Rewrites(
        Before.With("a = com", $"{ofSequence} a = com").With("(q, k, v,", "(q, nk3, v,").With("float[8, 16] wq", $"{weight}, float[8, 16] wq").WithLists(),
        $"{Keys.With("keys =", "raw =")} {ofTokens}", Values);

    // 10 is float16. As float16, 0.25 is 0x3400 and -0 is 0x8000.
    [TestMethod]
    public void KeysThatAFloat16LayerNormalisesInFloat32_AreNormalisedInFloat32() => Rewrites(
        Before.With("a = com", """
                heads = Reshape (k, {0, 0, 2, 4})
                wide = Cast <to = 1> (heads)
                normal = SimplifiedLayerNormalization <epsilon = 0.5> (wide, nk)
                narrow = Cast <to = 10> (normal)
                nk3 = Reshape (narrow, {0, 0, 8})
                a = com
                """).With("(q, k, v,", "(q, nk3, v,").With("float[", "float16[").With("float16[8, 16] wq", "float[4] nk = {4, 3, 2, 1}, float16[8, 16] wq").WithLists(),
        $$"""
            {{Keys.With("keys =", "raw =")}}
            raw_heads = Reshape (raw, {0, 2, 4})
            raw_wide = Cast <to = 1> (raw_heads)
            token_normal = SimplifiedLayerNormalization <epsilon = 0.5> (raw_wide, nk)
            token_narrow = Cast <to = 10> (token_normal)
            keys = Reshape (token_narrow, {0, 8})
            """, Values, type: "float16", zero: "32768", scale: "13312");

    [TestMethod]
    public void ABiasBehindTheProduct_IsAddedToTheTokensToo() => Rewrites(
        Before.With("a = com", "kb = Add (k, bk) a = com").With("(q, k, v,", "(q, kb, v,").With("float[8, 16] wq", "float[8] bk = [\"location\": \"bk\"], float[8, 16] wq"),
        $"{Keys.With("keys =", "raw =")} keys = Add (raw, bk)", Values);

    [TestMethod]
    public void ABiasOfTheProductItself_IsAddedOnce() => Rewrites(
        Before.With("k = MatMul (x, wk)", "rows = Reshape (x, {-1, 8}) kr = Gemm (rows, wk, bk) k = Reshape (kr, {1, -1, 8})").With("float[8, 16] wq", "float[8] bk = [\"location\": \"bk\"], float[8, 16] wq").WithLists(),
        "keys = Gemm (\"aligner.tokens\", wk, bk)", Values);

    // A LoRA that the model was exported with is part of the frozen projection: W x + factor B A x.
    [TestMethod]
    [DataRow("change = MatMul (low, up)", "token_change = MatMul (token_low, up)", DisplayName = "as it is")]
    [DataRow("high = MatMul (low, up) change = Mul (high, two)", "token_high = MatMul (token_low, up) token_change = Mul (token_high, two)", DisplayName = "times a factor")]
    public void ALoRABesideTheProjection_ProjectsTheTokensToo(string ofSequence, string ofTokens) => Rewrites(
        LoRA(ofSequence), Keys, $"{Values.With("values =", "raw_values =")} token_low = MatMul (\"aligner.tokens\", down) {ofTokens} values = Add (raw_values, token_change)");

    [TestMethod]
    public void APackedProjection_ProjectsTheTokensOnce()
    {
        OnnxModel model = OnnxText.Load(Decoders.Packed);
        Inject(SlotLayout.Portable)(model);
        Assert.HasCount(1, model.Graph.Find(PortableInjection.Tokens)!.Uses);
    }

    // The key of head h stands at 8 h of the projection and its value at 8 h + 4.
    [TestMethod]
    public void HeadsThatHoldKeyAndValueSideBySide_AreCutOutOfEachHead() => Rewrites(Paired("kv, {0, 0, 2, 2, 4}", 16),
        "kv_tokens = MatMul (\"aligner.tokens\", wkv) kb = Reshape (kv_tokens, {0, 2, 8}) kc = Slice (kb, {0}, {4}, {2}) keys = Reshape (kc, {0, 8})",
        "vb = Reshape (kv_tokens, {0, 2, 8}) vc = Slice (vb, {4}, {8}, {2}) values = Reshape (vc, {0, 8})");

    // What stands behind the last head is in no row of [heads, key and value of a head].
    [TestMethod]
    public void HeadsThatHoldKeyAndValueBesideSomethingElse_TakeFoldedTokensAlone()
    {
        string text = Paired("part, {0, 0, 2, 2, 4}", 20).With("five = Reshape", "part = Slice (kv, {0}, {16}, {2}) five = Reshape").WithLists();
        Assert.IsNull(SlotLayouts.WhyNot(OnnxText.Load(text), SlotLayout.ManyToken));
        AssertRefused("holds more than the queries, keys and values of heads side by side", text);
    }

    // A second reader would keep ONNX Runtime from fusing the two, for keys as for values.
    [TestMethod]
    [DataRow("k = MatMul (x, wk)", "wide = DequantizeLinear (bytes, two) k = MatMul (x, wide)", "MatMul 'key'")]
    [DataRow("v = MatMul (x, wv)", "wide = DequantizeLinear (bytes, two) v = MatMul (x, wide)", "MatMul 'key'")]
    public void Portable_OfAWeightBehindDequantizeLinear_IsRefused(string product, string quantised, string culprit)
    {
        ModelRefusedException refusal = AssertRefused("would change how ONNX Runtime computes the model",
            Before.With(product, quantised).With("k = MatMul", "[key] k = MatMul").With("float[8, 16] wq", "int8[8, 8] bytes = [\"location\": \"b\"], float[8, 16] wq"));
        StringAssert.StartsWith(refusal.Where, culprit);
    }

    /// <summary>The layer with key and value of each head side by side in one projection.</summary>
    private static string Paired(string reshape, int size) => Before.With("k = MatMul (x, wk)", $"kv = MatMul (x, wkv) five = Reshape ({reshape})")
        .With("v = MatMul (x, wv)", "kp = Slice (five, {0}, {1}, {3}) k = Reshape (kp, {0, 0, 8}) vp = Slice (five, {1}, {2}, {3}) v = Reshape (vp, {0, 0, 8})")
        .With("float[8, 16] wq", $"float[8, {size}] wkv = [\"location\": \"wkv\"], float[8, 16] wq").WithLists();

    /// <summary>The layer with a LoRA of rank 2 beside its values.</summary>
    private static string LoRA(string change) => Before.With("a = com", $"low = MatMul (x, down) {change} vl = Add (v, change) a = com").With("(q, k, v,", "(q, k, vl,")
        .With("float[8, 16] wq", "float[8, 2] down = [\"location\": \"d\"], float[2, 8] up = [\"location\": \"u\"], float[8, 16] wq");

    private static ModelRefusedException AssertRefused(string reason, string text)
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => Inject(SlotLayout.Portable)(OnnxText.Load(text)));
        StringAssert.Contains(refusal.What, reason);
        return refusal;
    }

    /// <summary>Asserts that slots add softmax(0.25 q keys^T) values, times the gate of each head, to what attention gives, with these keys and values [n, 8] of the tokens; in float16 the queries are scaled.</summary>
    private static void Rewrites(string before, string keys, string values, string type = "float", string zero = "-0", string scale = "0.25") => RuleTest.Rewrites(before, Inject(SlotLayout.Portable), before
        .With("int32 total)", $"int32 total, {type}[aligner_tokens, 8] \"aligner.tokens\", {type}[1, 4] \"aligner.gates\")")
        .With($"{type}[8, 16] wq", $$"""
            {{type}}[1, 8] "aligner.tokens" = {{{string.Join(", ", Enumerable.Repeat(zero, 8))}}}, {{type}}[1, 4] "aligner.gates" = {{{string.Join(", ", Enumerable.Repeat(zero, 4))}}}, {{type}} scale = {{{scale}}}, {{type}}[8, 16] wq
            """)
        .With("o = MatMul (a, wo)", $$"""
            {{(type == "float16" ? "scaled = Mul (q, scale) apart = Reshape (scaled, {0, 0, 2, 2, 4})" : "apart = Reshape (q, {0, 0, 2, 2, 4})")}}
            heads_first = Transpose <perm = [0, 2, 3, 1, 4]> (apart)
            queries = Reshape (heads_first, {0, 0, -1, 4})
            {{keys}}
            key_heads = Reshape (keys, {1, -1, 2, 4})
            keys_by_head = Transpose <perm = [0, 2, 1, 3]> (key_heads)
            keys_t = Transpose <perm = [0, 1, 3, 2]> (keys_by_head)
            products = MatMul (queries, keys_t)
            {{(type == "float16" ? "probabilities = Softmax (products)" : "scores = Mul (products, scale) probabilities = Softmax (scores)")}}
            {{values}}
            value_heads = Reshape (values, {1, -1, 2, 4})
            values_by_head = Transpose <perm = [0, 2, 1, 3]> (value_heads)
            mixed = MatMul (probabilities, values_by_head)
            of_group = Reshape (mixed, {0, 2, 2, -1, 4})
            row = Reshape ("aligner.gates", {1, 1, 4})
            gate = Reshape (row, {0, 2, 2, 1, 1})
            gated = Mul (of_group, gate)
            rows_first = Transpose <perm = [0, 3, 1, 2, 4]> (gated)
            branch = Reshape (rows_first, {0, 0, 16})
            sum = Add (a, branch)
            o = MatMul (sum, wo)
            """).WithLists());

    private static Action<OnnxModel> Inject(SlotLayout layout) => model => SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), layout);
}
