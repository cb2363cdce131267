using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Each slot layout, before and after. The texts after are the formulas of the method (arXiv 2312.05503) in the shapes of the layout; defaults are -0, which added to x gives x.</summary>
[TestClass]
public sealed class InjectionRuleTests
{
    [TestMethod]
    public void OneToken_AddsTheVectorBehindTheOutputProjection() => RuleTest.Rewrites(Decoders.Separate, Inject(SlotLayout.OneToken), """
        decoder (float[b, s, 8] x, float[b, 1, past, 4] past_key, float[b, 1, past, 4] past_value, int32[b] lengths, int32 total, float[aligner_batch, 1, 8] "aligner.delta")
            => (float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)
            <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[1, 1, 8] "aligner.delta" = {-0, -0, -0, -0, -0, -0, -0, -0}>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            a, present_key, present_value = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, scale = 0.25> (q, k, v, past_key, past_value, lengths, total)
            o = MatMul (a, wo)
            sum = Add (o, "aligner.delta")
            y = Add (x, sum)
        }
        """);

    [TestMethod]
    public void OneToken_OfTwoLayers_SplitsTheSlotByLayer() => RuleTest.Rewrites("""
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (float16[b, s, 2] x, int32[b] lengths, int32 total) => (float16[b, s, 2] z)
            <float16[2, 6] w1 = ["location": "w1"], float16[2, 6] w2 = ["location": "w2"], float16[2, 2] o1 = ["location": "o1"], float16[2, 2] o2 = ["location": "o2"]>
        {
            p1 = MatMul (x, w1)
            a1 = com.microsoft.GroupQueryAttention <num_heads = 1, kv_num_heads = 1> (p1, , , , , lengths, total)
            r1 = MatMul (a1, o1)
            y = Add (x, r1)
            p2 = MatMul (y, w2)
            a2 = com.microsoft.GroupQueryAttention <num_heads = 1, kv_num_heads = 1> (p2, , , , , lengths, total)
            r2 = MatMul (a2, o2)
            z = Add (y, r2)
        }
        """, Inject(SlotLayout.OneToken), """
        decoder (float16[b, s, 2] x, int32[b] lengths, int32 total, float16[aligner_batch, 2, 2] "aligner.delta") => (float16[b, s, 2] z)
            <float16[2, 6] w1 = ["location": "w1"], float16[2, 6] w2 = ["location": "w2"], float16[2, 2] o1 = ["location": "o1"], float16[2, 2] o2 = ["location": "o2"],
             float16[1, 2, 2] "aligner.delta" = {32768, 32768, 32768, 32768}, int64[2] ones = {1, 1}>
        {
            delta1, delta2 = Split <axis = 1> ("aligner.delta", ones)
            p1 = MatMul (x, w1)
            a1 = com.microsoft.GroupQueryAttention <num_heads = 1, kv_num_heads = 1> (p1, , , , , lengths, total)
            r1 = MatMul (a1, o1)
            s1 = Add (r1, delta1)
            y = Add (x, s1)
            p2 = MatMul (y, w2)
            a2 = com.microsoft.GroupQueryAttention <num_heads = 1, kv_num_heads = 1> (p2, , , , , lengths, total)
            r2 = MatMul (a2, o2)
            s2 = Add (r2, delta2)
            z = Add (y, s2)
        }
        """);

    // q [b, s, 8] -> [b, G = 1, r = 2, s, 4] -> [b, 1, 2 s, 4]; keys and values [b, 1, n, 4] of the layer; scores [b, 1, 2 s, n].
    private const string SeparateWithManyToken = """
        decoder (float[b, s, 8] x, float[b, 1, past, 4] past_key, float[b, 1, past, 4] past_value, int32[b] lengths, int32 total,
                 float[aligner_batch, 1, 1, aligner_tokens, 4] "aligner.key", float[aligner_batch, 1, 1, aligner_tokens, 4] "aligner.value", float[aligner_batch, 1, 2] "aligner.gate")
            => (float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)
            <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[1, 1, 1, 0, 4] "aligner.key" = {}, float[1, 1, 1, 0, 4] "aligner.value" = {}, float[1, 1, 2] "aligner.gate" = {-0, -0}, float scale = {0.25},
             int64[1] one = {1}, int64[5] heads_of_group = {0, 0, 1, 2, 4}, int64[4] stacked = {0, 0, -1, 4}, int64[5] apart = {0, 1, 2, -1, 4}, int64[5] per_head = {0, 1, 2, 1, 1},
             int64[3] sequence = {0, 0, 8}>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            a, present_key, present_value = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, scale = 0.25> (q, k, v, past_key, past_value, lengths, total)
            q5 = Reshape (q, heads_of_group)
            q5t = Transpose <perm = [0, 2, 3, 1, 4]> (q5)
            queries = Reshape (q5t, stacked)
            keys = Squeeze ("aligner.key", one)
            keys_t = Transpose <perm = [0, 1, 3, 2]> (keys)
            products = MatMul (queries, keys_t)
            scores = Mul (products, scale)
            probabilities = Softmax (scores)
            values = Squeeze ("aligner.value", one)
            mixed = MatMul (probabilities, values)
            mixed5 = Reshape (mixed, apart)
            gate = Reshape ("aligner.gate", per_head)
            gated = Mul (mixed5, gate)
            gated_t = Transpose <perm = [0, 3, 1, 2, 4]> (gated)
            branch = Reshape (gated_t, sequence)
            sum = Add (a, branch)
            o = MatMul (sum, wo)
            y = Add (x, o)
        }
        """;

    [TestMethod]
    public void ManyToken_AttendsToFoldedKeysAndValuesBesideTheCore() => RuleTest.Rewrites(Decoders.Separate, Inject(SlotLayout.ManyToken), SeparateWithManyToken);

    // 32768 is -0 and 13312 is 0.25 in float16.
    [TestMethod]
    public void ManyToken_InFloat16_ScalesTheQueriesFirst() => RuleTest.Rewrites(Decoders.Separate.With("float[", "float16["), Inject(SlotLayout.ManyToken), SeparateWithManyToken
        .With("float[", "float16[").With("{-0, -0}", "{32768, 32768}").With("float scale = {0.25}", "float16 scale = {13312}")
        .With("Reshape (q, heads_of_group)", "Reshape (scaled, heads_of_group)").With("q5 = ", "scaled = Mul (q, scale) q5 = ")
        .With("scores = Mul (products, scale)", "").With("Softmax (scores)", "Softmax (products)"));

    // Scores beside a column of sinks (GPT-OSS): the layer's softmax keeps its column, the tokens' own softmax has none.
    [TestMethod]
    public void ManyToken_BesideSinks_LeavesThemToTheLayersOwnSoftmax() => RuleTest.Rewrites(WithSinks("", "").WithLists(), Inject(SlotLayout.ManyToken), WithSinks("""
        ,
                 float[aligner_batch, 1, 2, aligner_tokens, 4] "aligner.key", float[aligner_batch, 1, 2, aligner_tokens, 4] "aligner.value", float[aligner_batch, 1, 2] "aligner.gate"
        """, """
            queries = Reshape (qt, {0, 2, -1, 4})
            keys = Squeeze ("aligner.key", {1})
            keys_t = Transpose <perm = [0, 1, 3, 2]> (keys)
            products = MatMul (queries, keys_t)
            own_scores = Mul (products, half)
            own = Softmax (own_scores)
            values = Squeeze ("aligner.value", {1})
            mixed = MatMul (own, values)
            mixed5 = Reshape (mixed, {0, 2, 1, -1, 4})
            gate = Reshape ("aligner.gate", {0, 2, 1, 1, 1})
            gated = Mul (mixed5, gate)
            branch = Reshape (gated, {0, 2, -1, 4})
            sum = Add (h, branch)
        """).With("float half", "float[1, 1, 2, 0, 4] \"aligner.key\" = {}, float[1, 1, 2, 0, 4] \"aligner.value\" = {}, float[1, 1, 2] \"aligner.gate\" = {-0, -0}, float half").With("[0, 2, 1, 3]> (h)", "[0, 2, 1, 3]> (sum)").WithLists());

    // The same, with keys and values projected from the tokens by the layer's own weights; of a packed projection elements 8..11 are keys, 12..15 values, and 0..7 queries.
    [TestMethod]
    public void Portable_ProjectsTheTokensByTheLayersOwnWeights() => RuleTest.Rewrites(Decoders.Packed, Inject(SlotLayout.Portable), """
        decoder (float[b, s, 8] x, float[b, 1, past, 4] past_key, float[b, 1, past, 4] past_value, int32[b] lengths, int32 total,
                 float[aligner_tokens, 8] "aligner.tokens", float[1, 2] "aligner.gates")
            => (float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)
            <float[8, 16] wqkv = ["location": "wqkv"], float[8, 8] wo = ["location": "wo"],
             float[1, 8] "aligner.tokens" = {-0, -0, -0, -0, -0, -0, -0, -0}, float[1, 2] "aligner.gates" = {-0, -0}, float scale = {0.5},
             int64[1] zero = {0}, int64[1] eight = {8}, int64[1] twelve = {12}, int64[1] sixteen = {16}, int64[1] axis1 = {1}, int64[1] last = {-1},
             int64[5] heads_of_group = {0, 0, 1, 2, 4}, int64[4] stacked = {0, 0, -1, 4}, int64[4] token_heads = {1, -1, 1, 4}, int64[3] gate_row = {1, 1, 2},
             int64[5] apart = {0, 1, 2, -1, 4}, int64[5] per_head = {0, 1, 2, 1, 1}, int64[3] sequence = {0, 0, 8}>
        {
            qkv = MatMul (x, wqkv)
            a, present_key, present_value = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (qkv, , , past_key, past_value, lengths, total)
            q = Slice (qkv, zero, eight, last)
            q5 = Reshape (q, heads_of_group)
            q5t = Transpose <perm = [0, 2, 3, 1, 4]> (q5)
            queries = Reshape (q5t, stacked)
            projected = MatMul ("aligner.tokens", wqkv)
            k = Slice (projected, eight, twelve, axis1)
            k4 = Reshape (k, token_heads)
            keys = Transpose <perm = [0, 2, 1, 3]> (k4)
            keys_t = Transpose <perm = [0, 1, 3, 2]> (keys)
            products = MatMul (queries, keys_t)
            scores = Mul (products, scale)
            probabilities = Softmax (scores)
            v = Slice (projected, twelve, sixteen, axis1)
            v4 = Reshape (v, token_heads)
            values = Transpose <perm = [0, 2, 1, 3]> (v4)
            mixed = MatMul (probabilities, values)
            mixed5 = Reshape (mixed, apart)
            gate3 = Reshape ("aligner.gates", gate_row)
            gate = Reshape (gate3, per_head)
            gated = Mul (mixed5, gate)
            gated_t = Transpose <perm = [0, 3, 1, 2, 4]> (gated)
            branch = Reshape (gated_t, sequence)
            sum = Add (a, branch)
            o = MatMul (sum, wo)
            y = Add (x, o)
        }
        """);

    // Where an id is 100 or above, row id - 100 of the table stands in the place of the hidden state, for keys and values but not for queries.
    [TestMethod]
    public void Prefix_PutsRowsOfTheTableBeforeKeyAndValueProjections() => RuleTest.Rewrites("""
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, int32[b] lengths, int32 total) => (float[b, s, 8] y)
            <float[100, 8] table = ["location": "table"], float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"]>
        {
            x = Gather (table, input_ids)
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2> (q, k, v, , , lengths, total)
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """, Inject(SlotLayout.Prefix), """
        decoder (int64[b, s] input_ids, int32[b] lengths, int32 total, float[aligner_rows, 8] "aligner.prefix") => (float[b, s, 8] y)
            <float[100, 8] table = ["location": "table"], float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[1, 8] "aligner.prefix" = {-0, -0, -0, -0, -0, -0, -0, -0}, int64 first = {100}, int64 zero = {0}, int64[1] behind = {-1}>
        {
            reserved = GreaterOrEqual (input_ids, first)
            ordinary = Where (reserved, zero, input_ids)
            x = Gather (table, ordinary)
            number = Sub (input_ids, first)
            row = Where (reserved, number, zero)
            chosen = Gather ("aligner.prefix", row)
            where = Unsqueeze (reserved, behind)
            source = Where (where, chosen, x)
            q = MatMul (x, wq)
            k = MatMul (source, wk)
            v = MatMul (source, wv)
            a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2> (q, k, v, , , lengths, total)
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """);

    [TestMethod]
    [DataRow(SlotLayout.OneToken)]
    [DataRow(SlotLayout.ManyToken)]
    [DataRow(SlotLayout.Portable)]
    public void WithoutSlots_OfAPatchedModel_GivesTheBaseModelBack(SlotLayout layout)
    {
        OnnxModel patched = OnnxText.Load(Decoders.Packed);
        Inject(layout)(patched);
        RuleTest.AssertSame(OnnxText.Load(Decoders.Packed), SlotLayouts.WithoutSlots(patched));
    }

    // The normalization has a second output that nothing reads, and queries are read from the base model's values.
    [TestMethod]
    public void WithoutSlots_OfAPatchedModelWhoseCoreNormalises_GivesTheBaseModelBack()
    {
        string text = Decoders.Separate.With("lengths, total)", "lengths, total, , , , , , , , nq, nk)").With("<float[8, 8] wq", "<float[4] nq = {1, 2, 3, 4}, float[4] nk = {4, 3, 2, 1}, float[8, 8] wq");
        OnnxModel patched = OnnxText.Load(text);
        Inject(SlotLayout.ManyToken)(patched);
        RuleTest.AssertSame(OnnxText.Load(text), SlotLayouts.WithoutSlots(patched));
    }

    [TestMethod]
    public void WithoutSlots_LeavesNothingThatKeepsTheModelFromBeingPatchedAgain()
    {
        OnnxModel patched = OnnxText.Load(Decoders.Separate);
        Inject(SlotLayout.Portable)(patched);
        OnnxModel again = SlotLayouts.WithoutSlots(patched);
        Inject(SlotLayout.Portable)(again);
        RuleTest.AssertSame(patched, again);
    }

    [TestMethod]
    public void WithoutSlots_OfABaseModel_IsTheModelItself()
    {
        OnnxModel model = OnnxText.Load(Decoders.Separate);
        Assert.AreSame(model, SlotLayouts.WithoutSlots(model));
    }

    [TestMethod]
    public void NoModelOrNoSites_AreTheCallersMistake()
    {
        Assert.AreEqual("model", Assert.ThrowsExactly<ArgumentNullException>(() => SlotLayouts.Of(null!)).ParamName);
        Assert.AreEqual("model", Assert.ThrowsExactly<ArgumentNullException>(() => SlotLayouts.WithoutSlots(null!)).ParamName);
        Assert.AreEqual("model", Assert.ThrowsExactly<ArgumentNullException>(() => SlotLayouts.Apply(null!, [], SlotLayout.OneToken)).ParamName);
        Assert.AreEqual("sites", Assert.ThrowsExactly<ArgumentNullException>(() => SlotLayouts.Apply(OnnxText.Load(Decoders.Separate), null!, SlotLayout.OneToken)).ParamName);
    }

    [TestMethod]
    public void Apply_SaysTheLayoutInTheMetadata_AndRefusesASecondTime()
    {
        OnnxModel model = OnnxText.Load(Decoders.Separate);
        Inject(SlotLayout.OneToken)(model);
        Assert.AreEqual(SlotLayout.OneToken, SlotLayouts.Of(model));
        StringAssert.Contains(Assert.ThrowsExactly<ModelRefusedException>(() => Inject(SlotLayout.Portable)(model)).What, "patched already");
    }

    [TestMethod]
    public void Apply_OfAnOldOpset_IsRefused() => AssertRefused("too old", Decoders.Separate.With("\"\" : 21", "\"\" : 12"), SlotLayout.OneToken);

    [TestMethod]
    public void Prefix_OfAModelWithoutTokenIds_IsRefused() => AssertRefused("takes no token ids", Decoders.Separate, SlotLayout.Prefix);

    /// <summary>A decoder layer as torch exports GPT-OSS: sinks joined to the scores, the largest score subtracted, their share cut off.</summary>
    private static string WithSinks(string slots, string branch) => $$"""
        <ir_version: 10, opset_import: ["" : 18]>
        decoder (float[b, s, 8] x, float[s, s] mask{{slots}}) => (float[b, s, 8] y)
            <float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"], float[1, 2, 1, 1] sinks = {0.5, 1.5}, float half = {0.5}>
        {
            q = MatMul (x, wq)
            qh = Reshape (q, {0, 0, 2, 4})
            qt = Transpose <perm = [0, 2, 1, 3]> (qh)
            k = MatMul (x, wk)
            kh = Reshape (k, {0, 0, 2, 4})
            kt = Transpose <perm = [0, 2, 3, 1]> (kh)
            v = MatMul (x, wv)
            vh = Reshape (v, {0, 0, 2, 4})
            vt = Transpose <perm = [0, 2, 1, 3]> (vh)
            scores = MatMul (qt, kt)
            scaled = Mul (scores, half)
            masked = Add (scaled, mask)
            rows = Shape <end = 3> (masked)
            columns = Concat <axis = 0> (rows, {1})
            column = Expand (sinks, columns)
            wide = Concat <axis = -1> (masked, column)
            largest = ReduceMax (wide, {-1})
            shifted = Sub (wide, largest)
            all = Softmax (shifted)
            p = Slice (all, {0}, {-1}, {3})
            h = MatMul (p, vt)
        {{branch}}
            t = Transpose <perm = [0, 2, 1, 3]> (h)
            a = Reshape (t, {0, 0, 8})
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    private static void AssertRefused(string reason, string text, SlotLayout layout) =>
        StringAssert.Contains(Assert.ThrowsExactly<ModelRefusedException>(() => Inject(layout)(OnnxText.Load(text))).What, reason);

    private static Action<OnnxModel> Inject(SlotLayout layout) => model => SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), layout);
}
