using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Tests.Rules;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>What is read around fused cores beyond the core itself: parts of packed projections, rotary caches, normalizations; and models whose layers do not go together.</summary>
[TestClass]
public sealed class FusedLayerTests
{
    private const string Caches = "<float[9, 1] cosines = [\"location\": \"c\"], float[9, 1] sines = [\"location\": \"s\"], float[9, 4] wide = [\"location\": \"w\"], ";

    /// <summary>A bias that is added to queries, keys and values together, behind a Split from other projections.</summary>
    [TestMethod]
    public void ABiasOfAPackedPart_BelongsToItsParts()
    {
        AttentionSite site = RuleTest.Site(Decoders.Packed.With("float[8, 16] wqkv", "int64[2] sizes = {16, 4}, float[16] bias = [\"location\": \"b\"], float[8, 20] wqkv")
            .With("[packed] qkv = MatMul (x, wqkv)", "[packed] all = MatMul (x, wqkv) part, rest = Split <axis = -1> (all, sizes) qkv = Add (part, bias)").With("float[b, 1, all, 4] present_key", "float[b, 1, total, 4] present_key").With("float[b, 1, all, 4] present_value", "float[b, 1, total, 4] present_value"));
        Assert.AreEqual((0L, 8L, 12L), (site.Query.LateBias!.First, site.Key.LateBias!.First, site.Value.LateBias!.First));
        Assert.AreEqual((0L, 8L, 12L), (site.Query.First, site.Key.First, site.Value.First));
    }

    [TestMethod]
    [DataRow("turned = com.microsoft.RotaryEmbedding (qkv, lengths, table, table)", "turned", "16 packed elements do not divide into 2 + 2 * 1 heads, or are changed together", "turned")]
    [DataRow("turned = SimplifiedLayerNormalization (qkv, gain)", "turned", "16 packed elements do not divide into 2 + 2 * 1 heads, or are changed together", "turned")]
    [DataRow("[s] turned = Sigmoid (qkv)", "turned", "Sigmoid is not a projection (MatMul, Gemm, MatMulNBits)", "Sigmoid 's'")]
    public void APackedProjectionThatIsChanged_IsRefused(string between, string operand, string reason, string culprit) => RuleTest.Fails(
        Decoders.Packed.With("[core]", $"{between} [core]").With("(qkv, , ,", $"({operand}, , ,").With("<float[8, 16] wqkv", "<float[9, 2] table = [\"location\": \"t\"], float[16] gain = [\"location\": \"g\"], float[8, 16] wqkv"), reason, culprit);

    [TestMethod]
    [DataRow("num_heads = 5000", "num_heads 5000 or kv_num_heads 1 is out of range")]
    [DataRow("num_heads = 4097", "num_heads 4097 or kv_num_heads 1 is out of range")]
    [DataRow("num_heads = -2", "num_heads -2 or kv_num_heads 1 is out of range")]
    [DataRow("num_heads = 4096", "the head size cannot be read from the graph")]
    public void NumbersOfHeads_HaveALimit(string heads, string reason) => RuleTest.Fails(Decoders.Separate.With("<num_heads = 2", $"<{heads}"), reason, "GroupQueryAttention 'core'");

    /// <summary>A head of 4: caches of one column turn 2 of its elements; wider ones than half a head, and attributes beyond a head, say nothing.</summary>
    [TestMethod]
    [DataRow("cosines", 2)]
    [DataRow("wide", 4)]
    [DataRow("declared", 2)]
    [DataRow("open", 4)]
    public void RotatedSizeInsideTheCore_IsTwiceTheWidthOfTheCaches(string cache, int size) => Assert.AreEqual(size, RuleTest.Site(Decoders.Separate
        .With("scale = 0.25", "do_rotary = 1").With("lengths, total)", $"lengths, total, {cache}, {cache})").With("int32 total)", "int32 total, float[n, 1] declared, float[] open)").With("<float[8, 8] wq", $"{Caches}float[8, 8] wq")).Rotary!.RotatedSize);

    [TestMethod]
    [DataRow("rotary_embedding_dim = 2", "wide", 2)]
    [DataRow("rotary_embedding_dim = 4", "cosines", 4)]
    [DataRow("rotary_embedding_dim = 6", "wide", 4)]
    [DataRow("interleaved = 1", "cosines", 2)]
    public void RotatedSizeBeforeTheCore_IsTheAttributeOrFollowsFromTheCaches(string attribute, string cache, int size)
    {
        RotaryFacts rotary = RuleTest.Site(Turned($"com.microsoft.RotaryEmbedding <{attribute}>", $"lengths, {cache}, {cache}")).Rotary!;
        Assert.AreEqual((size, attribute.StartsWith('i'), "lengths"), (rotary.RotatedSize, rotary.Interleaved, rotary.PositionIds!.Name));
    }

    /// <summary>ai.onnx takes positions behind the caches.</summary>
    [TestMethod]
    public void RotaryOfTheStandard_HasItsPositionsLast()
    {
        RotaryFacts rotary = RuleTest.Site(Turned("RotaryEmbedding <num_heads = 2>", "cosines, sines, lengths")).Rotary!;
        Assert.AreEqual(("cosines", "sines", "lengths"), (rotary.Cosines.Name, rotary.Sines.Name, rotary.PositionIds!.Name));
        Assert.IsNull(RuleTest.Site(Turned("RotaryEmbedding <num_heads = 2>", "cosines, sines")).Rotary!.PositionIds);
        Assert.IsNull(RuleTest.Site(Turned("RotaryEmbedding <num_heads = 2>", "cosines")).Rotary, "without sines there is nothing to read");
    }

    /// <summary>LongRoPE: the caches come from an If between two constants, stored as a node's or as the branch's own.</summary>
    [TestMethod]
    [DataRow("<float[9, 1] c1 = [\"location\": \"f\"], float[9, 1] n1 = [\"location\": \"n\"]> { unused = Constant <value_int = 1> () }", 2)]
    [DataRow("{ c1 = Constant <value = float[2, 1] {0, 0}> () n1 = Constant <value = float[2, 1] {0, 0}> () }", 2)]
    [DataRow("{ c1 = Neg (cosines) n1 = Neg (cosines) }", 4)]
    public void CachesOfABranch_AreReadInIt(string branch, int size) => Assert.AreEqual(size, RuleTest.Site(Decoders.Separate
        .With("scale = 0.25", "do_rotary = 1").With("lengths, total)", "lengths, total, c, n)").With("int32 total)", "int32 total, bool long)").With("<float[8, 8] wq", $"{Caches}float[8, 8] wq")
        .With("[core]", $"c, n = If (long) <then_branch = far () => (float[] c1, float[] n1) {branch}, else_branch = near () => (float[] c2, float[] n2) {{ c2 = Neg (wide) n2 = Neg (wide) }}> [core]")).Rotary!.RotatedSize);

    [TestMethod]
    public void ANormalizationInsideTheCore_OfAnotherSize_IsRefused() => RuleTest.Fails(Decoders.Separate.With("lengths, total)", "lengths, total, , , , , , , , , gain)").With("<float[8, 8] wq", "<float[3] gain = {1, 1, 1}, float[8, 8] wq"),
        "the normalization has 3 weights, for heads of 4 and 4 elements", "gain");

    [TestMethod]
    public void KeysThatAreRepeatedAndValuesThatAreNot_AreRefused() => RuleTest.Fails(OtherFormTests.With("""
        n = MatMul (x, narrow) kr = Reshape (n, one_head) kt = Transpose <perm = [0, 2, 1, 3]> (kr) ku = Unsqueeze (kt, two) ke = Expand (ku, wide) kf = Reshape (ke, heads4) kb = Transpose <perm = [0, 2, 1, 3]> (kf) kc = Reshape (kb, flat)
        m = MatMul (x, narrow) [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, kc, m)
        """).With("int64[4] heads =", "float[8, 4] narrow = [\"location\": \"n\"], int64[1] two = {2}, int64[5] wide = {1, 1, 2, 1, 1}, int64[4] one_head = {0, 0, 1, 4}, int64[4] heads4 = {0, 2, -1, 4}, int64[4] heads ="),
        "keys are repeated for the query heads and values are not, or the other way round", "MultiHeadAttention 'core'");

    /// <summary>PyTorch scales queries and keys by the square root of the standard scale each: 1 / sqrt(4) together.</summary>
    [TestMethod]
    public void Scale_ThatIsSpreadOverQueriesAndKeys_IsTheStandardOne()
    {
        AttentionSite site = RuleTest.Site(OtherFormTests.With("""
            root = Sqrt (number) qs = Mul (q, root) ks = Mul (k, root) [core] a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1, scale = 1.0> (qs, ks, v)
            """).With("bool long", "bool long, float number"));
        Assert.AreEqual(0.5f, site.Scale);
        Assert.AreEqual(Math.Sqrt(0.5), site.QueryOperand!.Factor, 1e-6);
    }

    [TestMethod]
    [DataRow("key", "k", "wk", "keys")]
    [DataRow("value", "v", "wv", "values")]
    public void LoRAThatCallersFeed_MayNotChangeKeysOrValues(string node, string name, string weight, string what) => RuleTest.Fails(Decoders.Separate
        .With("int32 total)", "int32 total, float[8, 2] down, float[2, 4] up)").With($"[{node}] {name} = MatMul (x, {weight})", $"[{node}] plain = MatMul (x, {weight}) low = MatMul (x, down) [up] high = MatMul (low, up) {name} = Add (plain, high)"),
        $"a LoRA whose matrices are inputs of the graph changes the {what}", "MatMul 'up'");

    /// <summary>Where no step knows an operator, following single elements finds the way: the values are elements 8 to 15 of the projection.</summary>
    [TestMethod]
    [DataRow("vf = Gather <axis = 2> (m, picked) [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, vf)", 8L, 8L)]
    [DataRow("vf = Gather <axis = 2> (m, picked) vh = Reshape (vf, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh) qh = Reshape (q, heads) qt = Transpose <perm = [0, 2, 1, 3]> (qh) kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kh) [core] h = Attention <is_causal = 1> (qt, kt, vt) t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, flat)", 8L, 8L)]
    public void OperatorsThatNoStepKnows_AreTraced(string core, long first, long count)
    {
        AttentionSite site = RuleTest.Site(OtherFormTests.With($"m = MatMul (x, wqkv) {core}").With("int64[4] heads", "int64[8] picked = {8, 9, 10, 11, 12, 13, 14, 15}, int64[4] heads"));
        Assert.AreEqual((first, count, 2, 2, false), (site.Value.First, site.Value.Count, site.QueryHeads, site.KeyValueHeads, site.AreKeysRepeated));
    }

    [TestMethod]
    public void QueriesThatAreTraced_KeepTheirTypeAndFactor()
    {
        AttentionSite site = RuleTest.Site(OtherFormTests.With("m = MatMul (x, wqkv) g = Gather <axis = 2> (m, picked) s = Mul (g, two) c = Cast <to = 10> (s) i = Identity (c) kc = Cast <to = 10> (k) vc = Cast <to = 10> (v) [core] ac = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (i, kc, vc) a = Cast <to = 1> (ac)")
            .With("int64[4] heads", "float two = {2}, int64[8] picked = {8, 9, 10, 11, 12, 13, 14, 15}, int64[4] heads"));
        Assert.AreEqual((8L, 2f, 1f), (site.Query.First, site.QueryOperand!.Factor, site.Scale));
        Assert.AreEqual("queries enter the core as Float16, slots are of Float", site.QueryObstacle);
    }

    /// <summary>Elements that change places within a head: neither way finds it, and the operator is named.</summary>
    [TestMethod]
    public void ElementsThatChangePlacesInAHead_AreRefused() => RuleTest.Fails(
        OtherFormTests.With("m = MatMul (x, wqkv) [pick] vf = Gather <axis = 2> (m, picked) [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, vf)").With("int64[4] heads", "int64[8] picked = {9, 8, 10, 11, 12, 13, 14, 15}, int64[4] heads"),
        "Gather is not a projection (MatMul, Gemm, MatMulNBits)", "Gather 'pick'");

    /// <summary>What an exporter leaves untranslated, and forms that have no recogniser.</summary>
    [TestMethod]
    [DataRow("pkg.onnxscript.torch_lib.aten_scaled_dot_product_attention", "the exporter did not translate PyTorch's scaled_dot_product_attention: no runtime has this operator")]
    [DataRow("com.microsoft.DecoderAttention", "the attention form DecoderAttention is not supported")]
    [DataRow("com.microsoft.LongformerAttention", "the attention form LongformerAttention is not supported")]
    public void FormsWithoutARecogniser_AreReported(string form, string reason) => RuleTest.Fails(
        Decoders.Separate.With("com.microsoft.GroupQueryAttention", form).With("\"com.microsoft\" : 1", "\"com.microsoft\" : 1, \"pkg.onnxscript.torch_lib\" : 1"), reason, $"{form.Split('.')[^1]} 'core'");

    [TestMethod]
    public void ACoreWithoutItsFirstOutput_IsRefused() => RuleTest.Fails(
        Decoders.Separate.With("a, present_key, present_value =", ", present_key, present_value =").With("MatMul (a, wo)", "MatMul (x, wo)"), "the core has no first output", "GroupQueryAttention 'core'");

    [TestMethod]
    public void ALayerOfAnotherType_IsRefused() => RuleTest.Fails(
        Decoders.Separate.With("MatMul (a, wo)", "MatMul (a, wd)").With("[output]", "wd = Cast <to = 11> (wo) [output]"), "the layer computes in Double, not in float, float16 or bfloat16", "GroupQueryAttention 'core'");

    /// <summary>Positions that are embedded beside the tokens, in one operator or by two look-ups.</summary>
    [TestMethod]
    [DataRow("[embed] e = com.microsoft.EmbedLayerNormalization (lengths, lengths, table, table)", true)]
    [DataRow("t = Gather (table, lengths) p = Gather (table, lengths) c = Cast <to = 1> (p) u = Unsqueeze (c, {0}) [embed] e = Add (t, u)", true)]
    [DataRow("t = Gather (table, lengths) n = Neg (t) [embed] e = Add (t, n)", false)]
    [DataRow("t = Gather (table, lengths) p = Gather (stack, lengths) [embed] e = Add (t, p)", false)]
    [DataRow("t = Gather (table, lengths) p = Gather (bytes, lengths) [embed] e = Add (t, p)", false)]
    [DataRow("t = Gather (table, lengths) p = Gather (x, lengths) [embed] e = Add (p, t)", false)]
    [DataRow("t = Gather (table, lengths) p = Gather (table, lengths) [embed] e = Mul (t, p)", false)]
    public void LearnedPositions_AreAnotherFamilys(string embedding, bool areLearned) => Assert.AreEqual(
        areLearned ? "the model adds learned position embeddings to its input (GPT-2, OPT, BERT): it is not of the LLaMA family" : null,
        RuleTest.Recognise(Decoders.Separate.With("[query]", $"{embedding} [query]").With("<float[8, 8] wq", "<float[9, 8] table = [\"location\": \"t\"], float[2, 9, 8] stack = [\"location\": \"s\"], int8[9, 8] bytes = [\"location\": \"b\"], float[8, 8] wq").WithLists()).Reason);

    [TestMethod]
    public void LayersOfOneModel_HaveOneTypeAndTheSameSizes()
    {
        Assert.HasCount(2, Sites("kv_num_heads = 1", "float[8, 4]", "[output2] p = MatMul (c, wo2)"));
        ModelRefusedException sizes = Assert.ThrowsExactly<ModelRefusedException>(() => Sites("kv_num_heads = 2", "float[8, 8]", "[output2] p = MatMul (c, wo2)"));
        Assert.AreEqual("The layers of the model differ", sizes.What);
        Assert.EndsWith("layer 1", sizes.Where!);
        ModelRefusedException types = Assert.ThrowsExactly<ModelRefusedException>(() => Sites("kv_num_heads = 1", "float[8, 4]", "half = Cast <to = 10> (wo2) [output2] p = MatMul (c, half)"));
        Assert.AreEqual(("The layers of the model compute in different types", "Float16"), (types.What, types.Found));
        Assert.EndsWith("layer 1", types.Where!);
    }

    [TestMethod]
    public void TrainableParameters_AreTokensAndTheGatesOfAdaptedLayers() => Assert.AreEqual((10 * 8) + (3 * 2), new Architecture(HiddenSize: 8, Layers: 4, QueryHeads: 2, KeyValueHeads: 1, HeadSize: 4).TrainableParameters(tokens: 10, startLayer: 1));

    /// <summary>Two layers; the second has keys and values of its own size.</summary>
    private static IReadOnlyList<AttentionSite> Sites(string heads, string weight, string output) => RecognisedModel.Of(OnnxText.Load(Decoders.Separate
        .With("[residual] y = Add (x, o)", $"""
            m = Add (x, o) q2 = MatMul (m, wq2) k2 = MatMul (m, wk2) v2 = MatMul (m, wv2)
            [core2] c = com.microsoft.GroupQueryAttention <num_heads = 2, {heads}> (q2, k2, v2, , , lengths, total) {output} y = Add (m, p)
            """).With("<float[8, 8] wq", $"<float[8, 8] wq2 = [\"location\": \"q2\"], {weight} wk2 = [\"location\": \"k2\"], {weight} wv2 = [\"location\": \"v2\"], float[8, 8] wo2 = [\"location\": \"o2\"], float[8, 8] wq"))).RequireSites();

    private static string Turned(string embedding, string inputs) => Decoders.Separate.With("\"\" : 21", "\"\" : 23")
        .With("[core]", $"rq = {embedding} (q, {inputs}) rk = {embedding} (k, {inputs}) [core]").With("(q, k, v,", "(rq, rk, v,").With("<float[8, 8] wq", $"{Caches}float[8, 8] wq");
}
