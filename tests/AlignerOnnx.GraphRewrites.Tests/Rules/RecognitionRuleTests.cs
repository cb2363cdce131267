using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>What is recognised of GroupQueryAttention decoders that a test can read as a whole, and, for each way in which they can be otherwise, why they are not.</summary>
[TestClass]
public sealed class RecognitionRuleTests
{
    [TestMethod]
    public void Separate_GivesEveryFactOfTheSite()
    {
        AttentionSite site = RuleTest.Site(Decoders.Separate);
        Assert.AreEqual((0, "GroupQueryAttention", "core"), (site.Layer, site.Form, site.Core.Name));
        Assert.AreEqual((2, 1, 4, 8L, 0.25f), (site.QueryHeads, site.KeyValueHeads, site.HeadSize, site.HiddenSize, site.Scale));
        Assert.AreEqual(("query", 0L, 8L), PartOf(site.Query));
        Assert.AreEqual(("key", 0L, 4L), PartOf(site.Key));
        Assert.AreEqual(("value", 0L, 4L), PartOf(site.Value));
        Assert.AreEqual(("output", "o", 8L, 8L), (site.Output.Node.Name, site.End.Name, site.Output.InputSize, site.Output.OutputSize));
        Assert.AreEqual(("q", HeadLayout.SequenceMajor, false, true, true), (site.QueryOperand!.Value.Name, site.QueryOperand.Layout, site.QueryOperand.IsPacked, site.QueryOperand.IsNormalised, site.QueryOperand.IsRotated));
        Assert.AreEqual(("a", HeadLayout.SequenceMajor), (site.Attended.Value.Name, site.Attended.Layout));
        Assert.AreEqual(("past_key", "past_value", "present_key", "present_value"), (site.Cache.PastKey!.Name, site.Cache.PastValue!.Name, site.Cache.PresentKey!.Name, site.Cache.PresentValue!.Name));
        Assert.AreEqual(ScoreFacts.Plain, site.Scores);
        Assert.AreEqual(DataType.Float, site.ElementType);
        Assert.IsNull(site.Rotary);
        Assert.IsNull(site.QueryNormalization);
        Assert.IsNull(site.KeyNormalization);
        Assert.IsFalse(site.IsFlat);
    }

    [TestMethod]
    public void Packed_GivesThePartsOfTheProjection()
    {
        AttentionSite site = RuleTest.Site(Decoders.Packed);
        Assert.AreEqual(("packed", 0L, 8L), PartOf(site.Query));
        Assert.AreEqual(("packed", 8L, 4L), PartOf(site.Key));
        Assert.AreEqual(("packed", 12L, 4L), PartOf(site.Value));
        Assert.IsTrue(site.QueryOperand!.IsPacked);
        Assert.AreEqual(0.5f, site.Scale, "1 / sqrt(4), as the node names none");
    }

    [TestMethod]
    public void ScoreAttributesAndInputs_AreRead()
    {
        ScoreFacts scores = RuleTest.Site(Decoders.Separate
            .With("scale = 0.25", "softcap = 30.0, local_window_size = 16, smooth_softmax = 1")
            .With("lengths, total)", "lengths, total, , , , total, x)")).Scores;
        Assert.AreEqual((30f, 16L, "total", "x", true, true), (scores.SoftCap, scores.LocalWindow, scores.Bias?.Name, scores.Sinks?.Name, scores.SmoothSoftmax, scores.IsCausal));
    }

    // Caches of [positions, 1] turn 2 of the 4 elements of a head.
    [TestMethod]
    public void RotaryInsideTheCore_IsRead()
    {
        AttentionSite site = RuleTest.Site(Decoders.Separate
            .With("scale = 0.25", "do_rotary = 1, rotary_interleaved = 1")
            .With("lengths, total)", "lengths, total, cosines, sines, total)")
            .With("<float[8, 8] wq", "<float[9, 1] cosines = [\"location\": \"c\"], float[9, 1] sines = [\"location\": \"s\"], float[8, 8] wq"));
        RotaryFacts rotary = site.Rotary!;
        Assert.AreEqual(("cosines", "sines", true, 2, "total", "lengths"), (rotary.Cosines.Name, rotary.Sines.Name, rotary.Interleaved, rotary.RotatedSize, rotary.PositionIds!.Name, rotary.SequenceLengths!.Name));
        Assert.IsTrue(rotary.IsInsideCore);
        Assert.IsFalse(site.QueryOperand!.IsRotated);
    }

    [TestMethod]
    public void RotaryBeforeTheCore_IsRead()
    {
        AttentionSite site = RuleTest.Site(Decoders.Separate
            .With("[core]", """
                [turn_q] rq = com.microsoft.RotaryEmbedding <num_heads = 2, rotary_embedding_dim = 2> (q, lengths, cosines, sines)
                [turn_k] rk = com.microsoft.RotaryEmbedding <num_heads = 1, rotary_embedding_dim = 2> (k, lengths, cosines, sines) [core]
                """)
            .With("(q, k, v,", "(rq, rk, v,")
            .With("<float[8, 8] wq", "<float[9, 1] cosines = [\"location\": \"c\"], float[9, 1] sines = [\"location\": \"s\"], float[8, 8] wq"));
        RotaryFacts rotary = site.Rotary!;
        Assert.AreEqual(("turn_q", "turn_k", 2, "lengths", false), (rotary.QueryNode!.Name, rotary.KeyNode!.Name, rotary.RotatedSize, rotary.PositionIds!.Name, rotary.Interleaved));
        Assert.IsFalse(rotary.IsInsideCore);
        Assert.IsTrue(site.QueryOperand!.IsRotated);
        Assert.AreEqual(("query", 0L, 8L), PartOf(site.Query));
    }

    [TestMethod]
    public void NormalizationInsideTheCore_IsRead()
    {
        AttentionSite site = RuleTest.Site(Decoders.Separate
            .With("scale = 0.25", "qk_norm_epsilon = 0.5")
            .With("lengths, total)", "lengths, total, , , , , , , , nq, nk)")
            .With("<float[8, 8] wq", "<float[4] nq = {1, 2, 3, 4}, float[4] nk = {4, 3, 2, 1}, float[8, 8] wq"));
        Assert.AreEqual(("nq", 0.5f, true), (site.QueryNormalization!.Weight.Name, site.QueryNormalization.Epsilon, site.QueryNormalization.PerHead));
        Assert.AreEqual("nk", site.KeyNormalization!.Weight.Name);
        Assert.IsFalse(site.QueryOperand!.IsNormalised);
    }

    [TestMethod]
    public void NormalizationOfEachHeadBeforeTheCore_IsRead()
    {
        AttentionSite site = RuleTest.Site(NormalisedKeys("float[4] nk = {4, 3, 2, 1}"));
        Assert.AreEqual(("nk", 0.5f, true), (site.KeyNormalization!.Weight.Name, site.KeyNormalization.Epsilon, site.KeyNormalization.PerHead));
        Assert.IsNull(site.QueryNormalization);
        Assert.AreEqual(("key", 0L, 4L), PartOf(site.Key));
    }

    [TestMethod]
    [DataRow("q = MatMul (x, wq)", "q = com.microsoft.FusedMatMul <alpha = 0.5> (x, wq)", 0.5f, false, DisplayName = "FusedMatMul")]
    [DataRow("q = MatMul (x, wq)", "wt = Transpose <perm = [1, 0]> (wq) q = MatMul (x, wt)", 1f, true, DisplayName = "a transposed weight")]
    [DataRow("q = MatMul (x, wq)", "wh = Cast <to = 1> (wq) q = MatMul (x, wh)", 1f, false, DisplayName = "a converted weight")]
    [DataRow("q = MatMul (x, wq)", "q = com.microsoft.FusedMatMul <transB = 1> (x, wq)", 1f, true, DisplayName = "a product that transposes")]
    public void QueryProjections_OfEachForm_AreRead(string part, string replacement, float factor, bool transposed)
    {
        Projection query = RuleTest.Site(Decoders.Separate.With($"[query] {part}", $"[query] {replacement}")).Query.Projection;
        Assert.AreEqual((factor, transposed, 8L, 8L), (query.Factor, query.Matrix!.Transposed, query.InputSize, query.OutputSize));
    }

    [TestMethod]
    public void Biases_AreRead()
    {
        AttentionSite site = RuleTest.Site(Decoders.Separate
            .With("[core]", "qb = Add (q, bq) ob = Add (bo, o) [core]").With("(q, k, v,", "(qb, k, v,").With("Add (x, o)", "Add (x, ob)").With("ob = Add (bo, o)", "")
            .With("[residual]", "ob = Add (bo, o) [residual]")
            .With("<float[8, 8] wq", "<float[8] bq = [\"location\": \"bq\"], float[8] bo = [\"location\": \"bo\"], float[8, 8] wq"));
        Assert.AreEqual(("bq", "qb"), (site.Query.Projection.Bias!.Name, site.Query.Projection.Result.Name));
        Assert.AreEqual(("bo", "ob"), (site.Output.Bias!.Name, site.End.Name));
        Assert.IsNull(site.Key.Projection.Bias);
    }

    [TestMethod]
    public void ABlockQuantisedProjection_IsRead()
    {
        Projection key = RuleTest.Site(Quantised("N = 4, K = 8, bits = 4, block_size = 16", "[4, 1, 8]", "[4]")).Key.Projection;
        Assert.AreEqual((true, 8L, 4L, DataType.Float), (key.IsQuantised, key.InputSize, key.OutputSize, key.ElementType));
        Assert.AreEqual("MatMulNBits 4 bit", key.Kind);
    }

    [TestMethod]
    public void LoRABesideAProjection_IsRead()
    {
        Projection value = RuleTest.Site(LoRA("<float[8, 2] down = [\"location\": \"d\"], float[2, 4] up = [\"location\": \"u\"], ", "")).Value.Projection;
        LowRankUpdate update = value.Updates.Single();
        Assert.AreEqual(("wl", 2L, 2f), (value.Result.Name, update.Down.OutputSize, update.Factor));
        Assert.IsNull(value.Bias);
    }

    [TestMethod]
    // The core itself.
    [DataRow("num_heads = 2, ", "", "num_heads 0 or kv_num_heads 1 is out of range", "GroupQueryAttention 'core'")]
    [DataRow("kv_num_heads = 1", "kv_num_heads = 3", "2 query heads are not a multiple of 3 key/value heads", "GroupQueryAttention 'core'")]
    [DataRow("num_heads = 2", "num_heads = 4", "projections of 8, 4 and 4 elements do not fit 4 and 1 heads of 2", "GroupQueryAttention 'core'")]
    [DataRow("num_heads = 2", "num_heads = 9", "the head size cannot be read from the graph", "GroupQueryAttention 'core'")]
    [DataRow("(q, k, v,", "(, k, v,", "the query input is absent", "GroupQueryAttention 'core'")]
    [DataRow("(q, k, v,", "(q, k, ,", "the core takes queries without keys or values: it shares those of another layer", "GroupQueryAttention 'core'")]
    [DataRow("scale = 0.25", "do_rotary = 1", "do_rotary is set and the rotary caches are absent", "GroupQueryAttention 'core'")]
    [DataRow("scale = 0.25", "causal = 0", "the attention sees the whole sequence: an encoder, not a decoder", "GroupQueryAttention 'core'")]
    // Projections in front.
    [DataRow("q = MatMul (x, wq)", "q = Neg (x)", "Neg is not a projection (MatMul, Gemm, MatMulNBits)", "Neg 'query'")]
    [DataRow("(q, k, v,", "(x, k, v,", "the value is not the output of a projection", "x")]
    [DataRow("MatMul (x, wq)", "MatMul (x, x)", "the weight is not a constant", "x")]
    [DataRow("MatMul (x, wq)", "com.microsoft.FusedMatMul <transA = 1> (x, wq)", "the product transposes its first factor", "FusedMatMul 'query'")]
    [DataRow("MatMul (x, wq)", "Gemm <transA = 1> (x, wq)", "the product transposes its first factor", "Gemm 'query'")]
    [DataRow("MatMul (x, wq)", "com.microsoft.MatMulBnb4 (x, wq)", "MatMulBnb4 stores its weight in a code book (FP4, NF4)", "MatMulBnb4 'query'")]
    [DataRow("MatMul (x, wq)", "Add (x, x)", "the value is a sum, not the output of a projection", "Add 'query'")]
    [DataRow("float[8, 8] wq", "float[2, 4, 8] wq", "the weight of shape [2,4,8] is no matrix", "wq")]
    [DataRow("float[8, 8] wq", "int8[8, 8] wq", "the weight is of Int8", "wq")]
    // Parts that do not fit each other.
    [DataRow("float[8, 4] wk", "float[8, 2] wk", "projections of 8, 2 and 4 elements do not fit 2 and 1 heads of 4", "GroupQueryAttention 'core'")]
    [DataRow("k = MatMul (x, wk)", "n = Neg (x) [key] k = MatMul (n, wk)", "queries, keys and values are not projected from the same value: cross attention", "MatMul 'key'")]
    [DataRow("(q, k, v,", "(q, k, v2,", "values are changed on their way to the attention", "MatMul 'value'")]
    [DataRow("float[8, 8] wo", "float[4, 8] wo", "the output projection takes 4 elements, the heads give 8", "MatMul 'output'")]
    [DataRow("float[8, 8] wo", "float[8, 4] wo", "the output projection gives 4 elements, the hidden size is 8", "MatMul 'output'")]
    // What follows.
    [DataRow("MatMul (a, wo)", "Neg (a)", "Neg is not a projection (MatMul, Gemm, MatMulNBits)", "Neg 'output'")]
    [DataRow("MatMul (a, wo)", "MatMul (wo, a)", "the attention output is not the first factor of a projection", "MatMul 'output'")]
    [DataRow("[output] o = MatMul (a, wo)", "[gate] g = Mul (a, x) [output] o = MatMul (g, wo)", "the attention output is multiplied before its projection (a gate): what a token adds would depend on the sequence", "Mul 'gate'")]
    [DataRow("[output] o = MatMul (a, wo)", "[norm] g = RMSNormalization (a, x) [output] o = MatMul (g, wo)", "the attention output is normalised before its projection: what a token adds would depend on the sequence", "RMSNormalization 'norm'")]
    [DataRow("[residual] y = Add (x, o)", "o2 = MatMul (a, wq) [residual] y = Add (o2, o)", "the attention output goes into 2 projections", "a")]
    public void Fails_WithReasonAndCulprit(string part, string replacement, string reason, string culprit) => RuleTest.Fails(Decoders.Separate
        .With("[core]", "v2 = Mul (v, two) [core]").With("<float[8, 8] wq", "<float two = {2}, float[8, 8] wq").With(part, replacement), reason, culprit);

    [TestMethod]
    [DataRow("kv_num_heads = 1", "kv_num_heads = 2", "16 packed elements do not divide into 2 + 2 * 2 heads, or are changed together", "qkv")]
    [DataRow("(qkv, , ,", "(doubled, , ,", "16 packed elements do not divide into 2 + 2 * 1 heads, or are changed together", "doubled")]
    public void Fails_OfAPackedProjection(string part, string replacement, string reason, string culprit) => RuleTest.Fails(Decoders.Packed
        .With("[core]", "doubled = Mul (qkv, two) [core]").With("<float[8, 16] wqkv", "<float two = {2}, float[8, 16] wqkv").With(part, replacement), reason, culprit);

    [TestMethod]
    [DataRow("N = 4, K = 8, bits = 3, block_size = 16", "[4, 1, 6]", "[4]", "bits 3, block size 16, N 4, K 8 are out of range")]
    [DataRow("N = 4, K = 8, bits = 4, block_size = 8", "[4, 1, 4]", "[4]", "bits 4, block size 8, N 4, K 8 are out of range")]
    [DataRow("N = 4, K = 8, bits = 4, block_size = 48", "[4, 1, 24]", "[4]", "bits 4, block size 48, N 4, K 8 are out of range")]
    [DataRow("N = 4, K = 8, bits = 4, block_size = 16, weight_prepacked = 1", "[4, 1, 8]", "[4]", "the weight is prepacked for one device and cannot be read back")]
    public void Fails_OfABlockQuantisedProjection(string attributes, string elements, string scales, string reason) => RuleTest.Fails(Quantised(attributes, elements, scales), reason, "MatMulNBits 'key'");

    [TestMethod]
    public void Fails_OfANormalizationOfAnotherSize() => RuleTest.Fails(NormalisedKeys("float[3] nk = {4, 3, 2}"), "the normalization has 3 weights, for heads of 4 and 4 elements", "nk");

    [TestMethod]
    public void Fails_WhereOnlyQueriesAreRotated() => RuleTest.Fails(Decoders.Separate
            .With("[core]", "rq = com.microsoft.RotaryEmbedding (q, lengths, cosines, sines) [core]").With("(q, k, v,", "(rq, k, v,")
            .With("<float[8, 8] wq", "<float[9, 2] cosines = [\"location\": \"c\"], float[9, 2] sines = [\"location\": \"s\"], float[8, 8] wq"),
        "a rotary embedding turns queries and not keys, or the other way round", "GroupQueryAttention 'core'");

    [TestMethod]
    public void Fails_OfALoRAThatCallersFeed() => RuleTest.Fails(LoRA("<", "float[8, 2] down, float[2, 4] up, "), "a LoRA whose matrices are inputs of the graph changes the values", "MatMul 'up'");

    [TestMethod]
    public void Fails_OfAModelWithLearnedPositions() => RuleTest.Fails(Decoders.Separate
            .With("[query]", "t = Gather (table, lengths) p = Gather (table, lengths) [embed] e = Add (t, p) [query]")
            .With("<float[8, 8] wq", "<float[9, 8] table = [\"location\": \"t\"], float[8, 8] wq"),
        "the model adds learned position embeddings to its input (GPT-2, OPT, BERT): it is not of the LLaMA family", "Add 'embed'");

    [TestMethod]
    [DataRow("com.microsoft.QAttention", "QAttention computes on integers; its weights are quantised together with its activations")]
    [DataRow("com.microsoft.PackedAttention", "PackedAttention takes out the padding of encoders; no decoder is exported with it")]
    [DataRow("com.microsoft.SparseAttention", "SparseAttention (Phi-3-small) lets each head see other blocks of the sequence; it is reported, not patched")]
    [DataRow("com.microsoft.LinearAttention", "the layer is linear attention: it has a recurrent state, and no keys or softmax that a token could join")]
    [DataRow("com.microsoft.DecoderMaskedMultiHeadAttention", "DecoderMaskedMultiHeadAttention is the one-token half of a beam-search export whose prompt runs through another core")]
    public void Fails_OfFormsThatCannotBePatched(string form, string reason) =>
        RuleTest.Fails(Decoders.Separate.With("com.microsoft.GroupQueryAttention", form), reason, $"{form.Split('.')[^1]} 'core'");

    [TestMethod]
    public void RequireSites_OfAFailedLayer_SaysLayerReasonAndCulprit()
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => RecognisedModel.Of(OnnxText.Load(Decoders.Separate.With("MatMul (x, wq)", "Neg (x)"))).RequireSites());
        Assert.AreEqual("Layer 0 cannot be patched: Neg is not a projection (MatMul, Gemm, MatMulNBits)", refusal.What);
        Assert.AreEqual("Neg 'query'", refusal.Found);
    }

    [TestMethod]
    public void RequireSites_OfAModelWithoutAttention_IsRefused() =>
        Assert.AreEqual("The model has no attention", Assert.ThrowsExactly<ModelRefusedException>(() => RecognisedModel.Of(OnnxText.Load("g (float x) => (float y) { y = Neg (x) }")).RequireSites()).What);

    private static (string Node, long First, long Count) PartOf(ProjectionSlice slice) => (slice.Projection.Node.Name, slice.First, slice.Count);

    private static string NormalisedKeys(string weight) => Decoders.Separate
        .With("[core]", "k4 = Reshape (k, apart) n4 = SimplifiedLayerNormalization <axis = -1, epsilon = 0.5> (k4, nk) nk3 = Reshape (n4, together) [core]").With("(q, k, v,", "(q, nk3, v,")
        .With("<float[8, 8] wq", $"<int64[4] apart = {{0, 0, 1, 4}}, int64[3] together = {{0, 0, 4}}, {weight}, float[8, 8] wq");

    private static string Quantised(string attributes, string elements, string scales) => Decoders.Separate
        .With("MatMul (x, wk)", $"com.microsoft.MatMulNBits <{attributes}> (x, wk, scales)")
        .With("float[8, 4] wk", $"uint8{elements} wk").With("<float[8, 8] wq", $"<float{scales} scales = [\"location\": \"scales\"], float[8, 8] wq");

    private static string LoRA(string constants, string inputs) => Decoders.Separate
        .With("[core]", "low = MatMul (x, down) [up] high = MatMul (low, up) scaled = Mul (high, two) wl = Add (v, scaled) [core]").With("(q, k, v,", "(q, k, wl,")
        .With("decoder (", $"decoder ({inputs}").With("<float[8, 8] wq", $"{constants}float two = {{2}}, float[8, 8] wq");
}
