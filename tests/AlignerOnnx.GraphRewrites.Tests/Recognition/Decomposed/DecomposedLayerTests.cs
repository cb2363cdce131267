using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition.Decomposed;

/// <summary>Attention in elementary operators: what is read of it in its variants, and why some are refused. Hidden size 8, two heads of 4.</summary>
[TestClass]
public sealed class DecomposedLayerTests
{
    private const string Layer = """
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        decoder (float[b, s, 8] x, float[s, s] mask, float[b, 1, 1, s] padding, int64[b, s] ids, float[b, 2, past, 4] past_key, float[b, 2, past, 4] past_value, float[b, 2, s, 4] fed, float number) => (float[b, s, 8] y)
            <float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"], float[8, 4] narrow = ["location": "n"],
             float half = {0.5}, float quarter = {0.25}, float two = {2.0}, float thirty = {30.0}, float far = {-10000.0}, float edge = {-1000.0}, float near = {-999.0}, float one = {1.0}, float none = {0.0}, float eps = {0.00001},
             float[4] gain = {1, 1, 1, 1}, float[8] whole = {1, 1, 1, 1, 1, 1, 1, 1}, float[1] single = {1}, float[3, 3] ones = {1, 1, 1, 1, 1, 1, 1, 1, 1}, float[3, 4] cos = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
             float[2, 2, 3, 4] stored = ["location": "s"], float[2, 2, 5, 4] prefix = ["location": "p"], float[3, 8] wide_cos = ["location": "c"], float[3, 2] half_cos = {1, 1, 1, 1, 1, 1}, float[8, 16] double_width = ["location": "d"],
             float[8, 24] packed = ["location": "k"], float[6, 8] short = ["location": "o"], int64 sixth = {6}, int64 seventh = {7}, float[3, 8] with_past = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, int64 first = {0}, int64 second = {1}, int64 last = {-1}>
        {
            t0 = Identity (x)
            [query] q = MatMul (t0, wq)
            [key] k = MatMul (t0, wk)
            [value] v = MatMul (t0, wv)
            qh = Reshape (q, {0, 0, 2, 4})
            qt = Transpose <perm = [0, 2, 1, 3]> (qh)
            kh = Reshape (k, {0, 0, 2, 4})
            kt = Transpose <perm = [0, 2, 1, 3]> (kh)
            kl = Transpose <perm = [0, 1, 3, 2]> (kt)
            vh = Reshape (v, {0, 0, 2, 4})
            vt = Transpose <perm = [0, 2, 1, 3]> (vh)
            [scores] scores = MatMul (qt, kl)
            scaled = Mul (scores, half)
            masked = Add (scaled, mask)
            [softmax] p = Softmax (masked)
            [meet] h = MatMul (p, vt)
            t = Transpose <perm = [0, 2, 1, 3]> (h)
            a = Reshape (t, {0, 0, 8})
            [output] o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    private const string Family = "its tokens are normalised by LayerNormalization and its positions are not rotary: a GPT-2-like layer, outside the LLaMA family";
    private const string Encoder = "the mask does not hide later keys: an encoder, not a decoder";

    [TestMethod]
    public void Layer_GivesEveryFactOfTheSite()
    {
        AttentionSite site = Site(Layer);
        Assert.AreEqual(("MatMul-Softmax-MatMul", "softmax", 2, 2, 4, 0.5f), (site.Form, site.Core.Name, site.QueryHeads, site.KeyValueHeads, site.HeadSize, site.Scale));
        Assert.AreEqual(("query", "key", "value", "output"), (site.Query.Projection.Node.Name, site.Key.Projection.Node.Name, site.Value.Projection.Node.Name, site.Output.Node.Name));
        Assert.AreEqual(("qt", HeadLayout.HeadMajor, 1f), (site.QueryOperand!.Value.Name, site.QueryOperand.Layout, site.QueryOperand.Factor));
        Assert.AreEqual(("h", HeadLayout.HeadMajor), (site.Attended.Value.Name, site.Attended.Layout));
        Assert.AreEqual((0f, false, CacheFacts.None), (site.Scores.SoftCap, site.Scores.IsCausal, site.Cache));
        Assert.IsNull(site.Rotary);
        Assert.IsNull(site.QueryNormalization);
        Assert.IsFalse(site.IsFlat);
    }

    [TestMethod]
    [DataRow("Mul (scores, half)", 0.5f)]
    [DataRow("Mul (half, scores)", 0.5f)]
    [DataRow("Div (scores, two)", 0.5f)]
    [DataRow("Identity (scores)", 1f)]
    [DataRow("Mul (again, half) again = Div (scores, two)", 0.25f)]
    public void Scale_IsWhatScoresAreMultipliedWith(string scaling, float scale) => Assert.AreEqual(scale, Site(Layer.With("Mul (scores, half)", scaling)).Scale);

    [TestMethod]
    public void Scale_OfAFusedProduct_IsItsAlpha() =>
        Assert.AreEqual(0.125f, Site(Layer.With("[scores] scores = MatMul (qt, kl)", "[scores] scores = com.microsoft.FusedMatMul <alpha = 0.25, transB = 1> (qt, kt)")).Scale);

    [TestMethod]
    public void Scale_IncludesWhatQueriesAndKeysAreMultipliedWithBefore()
    {
        AttentionSite site = Site(Layer.With("[scores] scores = MatMul (qt, kl)", "qs = Mul (qt, quarter) ks = Mul (kl, two) [scores] scores = MatMul (qs, ks)"));
        Assert.AreEqual(0.25f, site.Scale, "a quarter, twice, a half");
        Assert.AreEqual(("qs", 0.25f), (site.QueryOperand!.Value.Name, site.QueryOperand.Factor));
    }

    [TestMethod]
    public void SoftCap_IsTheBoundOfATanh()
    {
        AttentionSite site = Site(Layer.With("scaled = Mul (scores, half)", "half_scores = Mul (scores, half) less = Div (half_scores, thirty) bounded = Tanh (less) scaled = Mul (bounded, thirty)"));
        Assert.AreEqual((30f, 0.5f), (site.Scores.SoftCap, MathF.Round(site.Scale, 6)));
    }

    /// <summary>A column beside the scores takes its share of the softmax, which meets no value.</summary>
    [TestMethod]
    [DataRow("Concat <axis = -1> (masked, column)", "Slice (all, {0}, {-1}, {3})", DisplayName = "behind the scores")]
    [DataRow("Concat <axis = -1> (column, masked)", "Slice (all, {1}, {9}, {3})", DisplayName = "before them")]
    public void Sinks_AreAColumnThatIsCutOff(string join, string cut)
    {
        AttentionSite site = Site(Sinks(join, cut));
        Assert.AreEqual(("column", "qt", "h", 0.5f), (site.Scores.Sinks!.Name, site.QueryOperand!.Value.Name, site.Attended.Value.Name, site.Scale));
        Assert.AreEqual("column", Site(Sinks($"{join} largest = ReduceMax (wide, {{-1}}) shifted = Sub (wide, largest)", cut, "shifted")).Scores.Sinks!.Name, "the largest score subtracted");
        Assert.IsNull(Site(Layer).Scores.Sinks);
    }

    [TestMethod]
    [DataRow("Slice (all, {1}, {9}, {3})", "the probabilities that meet the values do not come from the scores element by element", "Softmax 'softmax'", DisplayName = "a key is cut off in its place")]
    [DataRow("Slice (all, {0}, {-2}, {3})", "the shapes of queries, keys and values do not follow from the graph", "Softmax 'softmax'", DisplayName = "a key is cut off too")]
    public void Sinks_MayNotMeetValues(string cut, string reason, string culprit) => RuleTest.Fails(Sinks("Concat <axis = -1> (masked, column)", cut).WithLists(), reason, culprit);

    /// <summary>What is joined to scores and what is subtracted from all of them hides no key.</summary>
    [TestMethod]
    public void Sinks_BesideScoresWithoutAMask_AreAnEncoders()
    {
        string encoder = Sinks("Concat <axis = -1> (masked, column) largest = ReduceMax (wide, {-1}) shifted = Sub (wide, largest)", "Slice (all, {0}, {-1}, {3})", "shifted").With("Add (scaled, mask)", "Identity (scaled)");
        RuleTest.Fails(encoder.WithLists(), "no mask hides later keys: an encoder, not a decoder", "Softmax 'softmax'");
        RuleTest.Fails(encoder.With("Identity (scaled)", "Add (scaled, padding)").WithLists(), "the mask is the same for every query: an encoder, not a decoder", "Softmax 'softmax'");
    }

    /// <summary>Scores of cached keys beside those of new ones are no sinks: their shares meet the cached values, and both products are added.</summary>
    [TestMethod]
    public void ScoresOfCachedKeysBesideThoseOfNewOnes_AreRefused() => RuleTest.Fails(Layer
        .With("[softmax] p = Softmax (masked)", "cached = Transpose <perm = [0, 1, 3, 2]> (past_key) before = MatMul (qt, cached) wide = Concat <axis = -1> (before, masked) [softmax] all = Softmax (wide) p1 = Slice (all, {0}, {5}, {3}) p2 = Slice (all, {5}, {8}, {3})")
        .With("[meet] h = MatMul (p, vt)", "h1 = MatMul (p1, past_value) h2 = MatMul (p2, vt) [meet] h = Add (h1, h2)").WithLists(), "the attention output is combined with another value before its projection", "Add 'meet'");

    [TestMethod]
    public void Cache_IsWhatNewKeysAndValuesAreJoinedTo()
    {
        CacheFacts cache = Site(Cached).Cache;
        Assert.AreEqual(("past_key", "past_value", "present_key", "present_value"), (cache.PastKey!.Name, cache.PastValue!.Name, cache.PresentKey!.Name, cache.PresentValue!.Name));
        CacheFacts converted = Site(Cached.With("Concat <axis = 2> (past_key, kt)", "Concat <axis = 2> (old, kt) old = Identity (past_key)")).Cache;
        Assert.AreEqual("past_key", converted.PastKey!.Name, "behind a change of layout");
        CacheFacts unread = Site(Cached.With("(float[b, s, 8] y, float[b, 2, all, 4] present_key, float[b, 2, all, 4] present_value)", "(float[b, s, 8] y)")).Cache;
        Assert.AreEqual(("past_value", null), (unread.PastValue!.Name, unread.PresentValue?.Name));
    }

    [TestMethod]
    [DataRow("qn = SimplifiedLayerNormalization <epsilon = 0.5> (qh, gain) qt = Transpose <perm = [0, 2, 1, 3]> (qn)", true)]
    [DataRow("qn = SimplifiedLayerNormalization <epsilon = 0.5> (q, whole) qo = Reshape (qn, {0, 0, 2, 4}) qt = Transpose <perm = [0, 2, 1, 3]> (qo)", false)]
    public void Normalization_IsOverAHeadOrTheWhole(string queries, bool perHead)
    {
        AttentionSite site = Site(Layer.With("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", queries));
        Assert.AreEqual((0.5f, perHead), (site.QueryNormalization!.Epsilon, site.QueryNormalization.PerHead));
        Assert.IsNull(site.KeyNormalization);
        Assert.IsNotNull(Site(Layer.With("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", queries).With("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "kn = SimplifiedLayerNormalization (kh, gain) kt = Transpose <perm = [0, 2, 1, 3]> (kn)")).KeyNormalization);
    }

    [TestMethod]
    public void Heads_MayStandBehindTheSequence()
    {
        AttentionSite site = Site(Layer.With("[scores] scores = MatMul (qt, kl)", "[scores] scores = Einsum <equation = \"bqhd,bkhd->bhqk\"> (qh, kh)")
            .With("[meet] h = MatMul (p, vt)", "[meet] h = Einsum <equation = \"bhqk,bkhd->bqhd\"> (p, vh)").With("t = Transpose <perm = [0, 2, 1, 3]> (h)", "t = Identity (h)"));
        Assert.AreEqual(("qh", HeadLayout.SequenceHeads, "h", HeadLayout.SequenceHeads), (site.QueryOperand!.Value.Name, site.QueryOperand.Layout, site.Attended.Value.Name, site.Attended.Layout));
    }

    /// <summary>Keys and queries change sides: k q^T is the transpose of the scores.</summary>
    [TestMethod]
    public void Queries_MayBeTheSecondFactor()
    {
        AttentionSite site = Site(Layer.With("[scores] scores = MatMul (qt, kl)", "ql = Transpose <perm = [0, 1, 3, 2]> (qt) turned = MatMul (kt, ql) [scores] scores = Transpose <perm = [0, 1, 3, 2]> (turned)"));
        Assert.AreEqual(("query", "key", 2), (site.Query.Projection.Node.Name, site.Key.Projection.Node.Name, site.QueryHeads));
    }

    /// <summary>PyTorch's guard against rows that see no key.</summary>
    [TestMethod]
    public void Probabilities_MayBeGuardedAgainstRowsWithoutAKey() =>
        Assert.AreEqual(2, Site(Layer.With("[meet] h = MatMul (p, vt)", "nan = IsNaN (p) guarded = Where (nan, none, p) cast = Cast <to = 1> (guarded) [meet] h = MatMul (cast, vt)")).QueryHeads);

    [TestMethod]
    public void OneKeyHead_IsSharedByBothQueryHeads()
    {
        AttentionSite site = Site(Shared);
        Assert.AreEqual((2, 1, 4L, 4L), (site.QueryHeads, site.KeyValueHeads, site.Key.Count, site.Value.Count));
    }

    [TestMethod]
    public void RowsOfAGemm_AreFlat() => Assert.IsTrue(Site(Layer.With("a = Reshape (t, {0, 0, 8})", "a = Reshape (t, {-1, 8})").With("MatMul (a, wo)", "Gemm (a, wo)").With("y = Add (x, o)", "y = Neg (o)")).IsFlat);

    [TestMethod]
    public void ARotationInElementaryOperators_IsRead()
    {
        AttentionSite site = Site(Rotated);
        Assert.AreEqual(("qt", HeadLayout.HeadMajor, 2), (site.QueryOperand!.Value.Name, site.QueryOperand.Layout, site.QueryHeads));
        Assert.IsNull(site.Rotary, "its angles are no caches");
    }

    [TestMethod]
    // Parts that do not fit each other.
    [DataRow("v = MatMul (t0, wv)", "v = MatMul (other, wv) other = Neg (x)", "keys and values are not projected from the same value", "MatMul 'key'")]
    [DataRow("q = MatMul (t0, wq)", "q = MatMul (other, wq) other = Neg (x)", "queries are projected from another value than keys and values: cross attention", "MatMul 'key'")]
    [DataRow("o = MatMul (a, wo)", "o = MatMul (a, narrow)", "the output projection gives 4 elements, the hidden size is 8", "MatMul 'output'")]
    [DataRow("MatMul (p, vt)", "MatMul (p, vs) vs = Mul (vt, half)", "values are scaled, normalised or rotated on their way to the attention", "MatMul 'value'")]
    [DataRow("MatMul (p, vt)", "MatMul (p, vs) vs = SimplifiedLayerNormalization (vt, gain)", "values are scaled, normalised or rotated on their way to the attention", "MatMul 'value'")]
    [DataRow("MatMul (p, vt)", "MatMul (p, vs) vs = RotaryEmbedding (vt, cos, cos)", "values are scaled, normalised or rotated on their way to the attention", "MatMul 'value'")]
    [DataRow("MatMul (qt, kl)", "MatMul (qr, kl) qr = RotaryEmbedding (qt, cos, cos)", "of queries and keys only one is rotated", "MatMul 'key'")]
    [DataRow("MatMul (qt, kl)", "MatMul (qn, kl) qn = SimplifiedLayerNormalization (qt, single)", "a normalization has 1 weights, which is neither a head of 4 nor the whole of 8", "single")]
    [DataRow("MatMul (qt, kl)", "MatMul (qt, kn) kn = Transpose <perm = [0, 1, 3, 2]> (ko) ko = SimplifiedLayerNormalization (kt, single)", "a normalization has 1 weights, which is neither a head of 4 nor the whole of 8", "single")]
    // What stands where a projection should.
    [DataRow("MatMul (qt, kl)", "MatMul (qt, kc) kc = Transpose <perm = [0, 1, 3, 2]> (past_key)", "the shapes of queries, keys and values do not follow from the graph", "Softmax 'softmax'")]
    [DataRow("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "kr = Transpose <perm = [0, 2, 1, 3]> (kh) [write] kt = ScatterND (kr, at, kr) at = Cast <to = 7> (kr)", "keys: it is written into a buffer by ScatterND", "ScatterND 'write'")]
    [DataRow("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "kr = Transpose <perm = [0, 2, 1, 3]> (kh) [centre] kt = LayerNormalization (kr, gain)", "keys: it is normalised by LayerNormalization, which no LLaMA-family attention does", "LayerNormalization 'centre'")]
    [DataRow("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", "qr = Transpose <perm = [0, 2, 1, 3]> (qh) qn = SimplifiedLayerNormalization (qr, gain) [inner] qt = SimplifiedLayerNormalization (qn, gain)", "queries: it is normalised twice", "SimplifiedLayerNormalization ''")]
    [DataRow("vt = Transpose <perm = [0, 2, 1, 3]> (vh)", "vr = Transpose <perm = [0, 2, 1, 3]> (vh) [turn] vt = Sigmoid (vr)", "values: Sigmoid is not a projection (MatMul, Gemm, MatMulNBits)", "Sigmoid 'turn'")]
    // Scores.
    [DataRow("Mul (scores, half)", "Mul (scores, number)", "the scores are multiplied with something that is not one constant number", "Mul ''")]
    [DataRow("Mul (scores, half)", "Tanh (once) once = Tanh (scores)", "the scores are bounded twice", "Tanh ''")]
    [DataRow("p = Softmax (masked)", "p = Softmax <axis = 2> (masked)", "the Softmax is not taken over the keys", "Softmax 'softmax'")]
    [DataRow("p = Softmax (masked)", "p = Softmax <axis = -2> (masked)", "the Softmax is not taken over the keys", "Softmax 'softmax'")]
    // Masks.
    [DataRow("Add (scaled, mask)", "Identity (scaled)", "no mask hides later keys: an encoder, not a decoder", "Softmax 'softmax'")]
    [DataRow("Add (scaled, mask)", "Add (scaled, padding)", "the mask is the same for every query: an encoder, not a decoder", "Softmax 'softmax'")]
    public void Fails_WithReasonAndCulprit(string part, string replacement, string reason, string culprit) => RuleTest.Fails(Layer.With(part, replacement).WithLists(), reason, culprit);

    /// <summary>Later keys get a large negative number, by a triangle or by comparing positions.</summary>
    [TestMethod]
    [DataRow("triangle = Trilu (filled, second)")]
    [DataRow("above = Trilu (ones, second) triangle = Mul (above, edge)")]
    [DataRow("rows = Unsqueeze (ids, {1, 3}) columns = Unsqueeze (ids, {1, 2}) seen = GreaterOrEqual (rows, columns) triangle = Where (seen, none, far)")]
    [DataRow("size = Shape <start = 1, end = 2> (x) n = Squeeze (size, {0}) range = Range (first, n, second) rows = Unsqueeze (range, {1}) later = Greater (range, rows) number2 = Cast <to = 1> (later) triangle = Mul (number2, far)")]
    public void MasksThatHideLaterKeys_AreADecoders(string mask) => Assert.AreEqual(2, Site(Masked(mask, "Add (scaled, triangle)")).QueryHeads);

    [TestMethod]
    [DataRow("Where (seen, scaled, far)")]
    [DataRow("Where (unseen, far, scaled)")]
    public void Scores_MayBeChosenWhereTheyAreSeen(string choice) => Assert.AreEqual(2, Site(Masked("lower = Trilu <upper = 0> (ones) seen = Cast <to = 9> (lower) unseen = Not (seen)", choice)).QueryHeads);

    [TestMethod]
    public void BiasSoftmax_HasItsMaskInside() => Assert.AreEqual(2, Site(Layer.With("masked = Add (scaled, mask)", "triangle = Trilu (filled, second) filled = Mul (ones, far)")
        .With("Softmax (masked)", "com.microsoft.BiasSoftmax <axis = 3, is_inner_broadcast = 0> (scaled, triangle)")).QueryHeads);

    [TestMethod]
    [DataRow("triangle = Trilu (filled)", "Add (scaled, triangle)", DisplayName = "its own key is hidden")]
    [DataRow("triangle = Trilu <upper = 0> (filled, last)", "Add (scaled, triangle)", DisplayName = "earlier keys are hidden")]
    [DataRow("above = Trilu (ones, second) triangle = Mul (above, near)", "Add (scaled, triangle)", DisplayName = "less than the numbers that hide")]
    [DataRow("lower = Trilu <upper = 0> (ones) seen = Cast <to = 9> (lower)", "Where (seen, far, scaled)", DisplayName = "the other way round")]
    [DataRow("known = Cast <to = 1> (ids) u = Unsqueeze (known, {1, 2}) absent = Sub (one, u) triangle = Mul (absent, far)", "Add (scaled, triangle)", DisplayName = "padding")]
    public void MasksThatShowLaterKeys_AreAnEncoders(string mask, string choice) => RuleTest.Fails(Masked(mask, choice).WithLists(), Encoder, "Softmax 'softmax'");

    /// <summary>Of eight keys, five are cached: the first of three new tokens sees six, itself the last.</summary>
    [TestMethod]
    [DataRow("sixth", null)]
    [DataRow("seventh", Encoder)]
    [DataRow("second", Encoder)]
    public void CachedKeys_StandBeforeThoseOfNewTokens(string hiddenFrom, string? reason) =>
        Assert.AreEqual(reason, RuleTest.Recognise(Cached.With("masked = Add (scaled, mask)", $"above = Trilu (with_past, {hiddenFrom}) triangle = Mul (above, far) masked = Add (scaled, triangle)").WithLists()).Reason);

    /// <summary>Values on the left, v^T p^T.</summary>
    [TestMethod]
    public void Probabilities_MayBeTheSecondFactor()
    {
        AttentionSite site = Site(Layer.With("[meet] h = MatMul (p, vt)", "turned = Transpose <perm = [0, 1, 3, 2]> (p) vl = Transpose <perm = [0, 1, 3, 2]> (vt) [meet] m = MatMul (vl, turned) h = Transpose <perm = [0, 1, 3, 2]> (m)"));
        Assert.AreEqual(("value", "h", HeadLayout.HeadMajor), (site.Value.Projection.Node.Name, site.Attended.Value.Name, site.Attended.Layout));
    }

    /// <summary>GPT-2 normalises tokens about their mean, and adds positions to them.</summary>
    [TestMethod]
    [DataRow("t0 = LayerNormalization (x, whole)")]
    [DataRow("t0 = com.microsoft.SkipLayerNormalization (x, x, whole)")]
    [DataRow("n = LayerNormalization (x, whole) c = Cast <to = 10> (n) w = Mul (whole, c) w2 = Add (w, whole) t0 = Cast <to = 1> (w2)")]
    [DataRow("m = ReduceMean (x, {-1}) d = Sub (x, m) d2 = Mul (d, d) v2 = ReduceMean (d2, {-1}) e = Add (v2, eps) r = Sqrt (e) n = Div (d, r) w = Mul (n, whole) t0 = Add (w, whole)")]
    [DataRow("m = ReduceMean (x, {-1}) d = Sub (x, m) d2 = Mul (d, d) v2 = ReduceMean (d2, {-1}) r = Sqrt (v2) i = Reciprocal (r) dc = Cast <to = 1> (d) t0 = Mul (dc, i)")]
    public void TokensThatAreCentred_WithoutARotation_AreAnotherFamilys(string tokens) => RuleTest.Fails(Layer.With("t0 = Identity (x)", tokens).WithLists(), Family, "t0");

    [TestMethod]
    [DataRow("t0 = SimplifiedLayerNormalization (x, whole)")]
    [DataRow("sq = Mul (x, x) v2 = ReduceMean (sq, {-1}) r = Sqrt (v2) n = Div (x, r) t0 = Mul (n, whole)")]
    [DataRow("d = Sub (x, whole) n = Div (d, two) t0 = Mul (n, whole)")]
    [DataRow("d = Sub (x, whole) c = Cast <to = 1> (d) n = Div (c, two) t0 = Mul (n, whole)")]
    [DataRow("n = Neg (x) t0 = Add (n, whole)")]
    public void TokensThatAreNot_AreTheFamilys(string tokens) => Assert.AreEqual(2, Site(Layer.With("t0 = Identity (x)", tokens)).QueryHeads);

    [TestMethod]
    public void TokensThatAreCentred_WithARotation_AreTheFamilys() => Assert.AreEqual(2, Site(Rotated.With("t0 = Identity (x)", "t0 = LayerNormalization (x, whole)")).QueryHeads);

    [TestMethod]
    [DataRow("key", "k", "wk")]
    [DataRow("value", "v", "wv")]
    public void LoRAThatCallersFeed_MayNotChangeKeysOrValues(string node, string name, string weight) => RuleTest.Fails(
        Layer.With("float number)", "float number, float[8, 2] down, float[2, 8] up)").With($"[{node}] {name} = MatMul (t0, {weight})", $"[{node}] plain = MatMul (t0, {weight}) low = MatMul (t0, down) [up] high = MatMul (low, up) {name} = Add (plain, high)").WithLists(),
        "a LoRA whose matrices are inputs of the graph changes the keys or values", "MatMul 'up'");

    /// <summary>Routers, sampling and look-ups take a Softmax too: scores are a product of two activations.</summary>
    [TestMethod]
    [DataRow("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "kt = Identity (stored)")]
    [DataRow("Mul (scores, half)", "Div (half, scores)")]
    [DataRow("Mul (scores, half)", "Sigmoid (scores)")]
    [DataRow("Softmax (masked)", "LogSoftmax (masked)")]
    [DataRow("Softmax (masked)", "com.microsoft.Softmax (masked)")]
    public void ASoftmaxOfOtherThanProducts_IsNoCore(string part, string replacement) => Assert.IsEmpty(RecognisedModel.Of(OnnxText.Load(Layer.With(part, replacement).WithLists())).Cores);

    private static string Masked(string mask, string choice) => Layer.With("masked = Add (scaled, mask)", $"filled = Mul (ones, far) {mask} masked = {choice}");

    /// <summary>GPT-NeoX and InternLM2: query heads, key and value of a head or a group of heads stand side by side in one projection. Four query heads of 2 over two key/value heads.</summary>
    [TestMethod]
    public void HeadsOfAGroup_MayStandSideBySideInOneProjection()
    {
        AttentionSite site = Site(Grouped("groups = Reshape (all, {0, 0, 2, 4, 2}) queries = Slice (groups, {0}, {-2}, {3})"));
        Assert.AreEqual((4, 2, 2), (site.QueryHeads, site.KeyValueHeads, site.HeadSize));
        Assert.AreEqual((0L, 8L, 8L, 4L), (site.Query.First, site.Query.Count, site.Query.BlockStride!.Value, site.Query.BlockSize!.Value));
        Assert.AreEqual((4L, 4L, 8L, 2L), (site.Key.First, site.Key.Count, site.Key.BlockStride!.Value, site.Key.BlockSize!.Value));
        Assert.AreEqual((6L, 4L, 8L, 2L), (site.Value.First, site.Value.Count, site.Value.BlockStride!.Value, site.Value.BlockSize!.Value));
        Assert.AreEqual(("qt", HeadLayout.HeadMajor), (site.QueryOperand!.Value.Name, site.QueryOperand.Layout));
        Assert.AreEqual(12L, Site(Layer.With("[query] q = MatMul (t0, wq)", "all = MatMul (t0, packed) five = Reshape (all, {0, 0, 2, 3, 4}) part = Slice (five, {0}, {1}, {3}) q = Reshape (part, {0, 0, 8})")).Query.BlockStride!.Value);
    }

    [TestMethod]
    [DataRow("groups = Reshape (all, {0, 0, 2, 4, 2}) queries = Gather <axis = 2> (all, {0, 1, 2, 3, 4, 5, 8, 9})", "the heads of the queries stand in their projection neither side by side nor in blocks of one size", "MatMul 'packed'", DisplayName = "three heads and one")]
    [DataRow("groups = Reshape (all, {0, 0, 2, 4, 2}) queries = Gather <axis = 2> (all, {0, 1, 4, 5, 8, 9, 14, 15})", "the heads of the queries stand in their projection neither side by side nor in blocks of one size", "MatMul 'packed'", DisplayName = "gaps of two sizes")]
    [DataRow("groups = Reshape (all, {0, 0, 2, 4, 2}) queries = Gather <axis = 2> (all, {8, 9, 10, 11, 0, 1, 2, 3})", "head 0 of the attention output belongs to query head 2", "MatMul 'packed'", DisplayName = "groups in another order")]
    public void HeadsOfAGroup_InAnotherOrder_AreRefused(string queries, string reason, string culprit) => RuleTest.Fails(Grouped(queries).WithLists(), reason, culprit);

    /// <summary>Single elements show how heads reach the attention, whatever operators stand between.</summary>
    [TestMethod]
    // Queries.
    [DataRow("[query] q = MatMul (t0, wq)", "left = MatMul (t0, narrow) [right] right = MatMul (t0, narrow) q = Concat <axis = -1> (left, right)", "queries of different heads come from different projections", "MatMul 'right'")]
    [DataRow("qh = Reshape (q, {0, 0, 2, 4})", "left, right = Split <axis = -1> (q, {4, 4}) more = Mul (left, two) joined = Concat <axis = -1> (more, right) qh = Reshape (joined, {0, 0, 2, 4})", "queries of different heads are scaled or normalised differently", "MatMul 'query'")]
    [DataRow("[query] q = MatMul (t0, wq)", "[query] all = MatMul (t0, double_width) q = Gather <axis = 2> (all, {0, 1, 2, 3, 4, 5, 6, 8})", "queries are elements 0 to 8 of a projection, which is not a number of heads of 4", "MatMul 'query'")]
    [DataRow("[query] q = MatMul (t0, wq)", "[query] one_head = MatMul (t0, narrow) q = Concat <axis = -1> (one_head, one_head)", "the output projection takes 2 heads of 4, the queries have 1", "MatMul 'query'")]
    [DataRow("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", "qs = Gather <axis = 2> (qh, {1, 0}) qt = Transpose <perm = [0, 2, 1, 3]> (qs)", "head 0 of the attention output belongs to query head 1", "MatMul 'key'")]
    [DataRow("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", "qs = Slice (qh, {-1}, {-9}, {1}, {-1}) qt = Transpose <perm = [0, 2, 1, 3]> (qs)", "token 5 is attended with the query of token 3, the key of token 5 and the value of token 5", "MatMul 'key'")]
    [DataRow("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", "qs = Transpose <perm = [0, 2, 1, 3]> (qh) qt = Add (qs, fed)", "queries: the value is a sum, not the output of a projection", "Add ''")]
    [DataRow("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", "qs = Transpose <perm = [0, 2, 1, 3]> (qh) qc = Mul (qs, cos) qt = Add (qc, fed)", "queries: the value is a sum, not the output of a projection; nor is it a rotary embedding", "Add ''")]
    [DataRow("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", "qs = Transpose <perm = [0, 2, 1, 3]> (qh) qc = Mul (qs, cos) kc = Mul (kt, cos) qt = Add (qc, kc)", "queries: the two parts of a rotary embedding do not come from the same token", "Add ''")]
    [DataRow("qh = Reshape (q, {0, 0, 2, 4})", "a1 = Slice (q, {0}, {4}, {-1}) b1 = Slice (q, {4}, {8}, {-1}) n1 = Neg (b1) r1 = Concat <axis = -1> (n1, a1) c1 = Mul (q, wide_cos) s1 = Mul (r1, wide_cos) turned = Add (c1, s1) qh = Reshape (turned, {0, 0, 2, 4})", "the rotary embedding mixes element 0 of head 0 with another head", "MatMul 'query'")]
    // Keys.
    [DataRow("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "ks = Gather <axis = 2> (kh, {1, 0}) kt = Transpose <perm = [0, 2, 1, 3]> (ks)", "query head 0 meets key head 1 and value head 0, in an order other than side by side (head 0)", "MatMul 'key'")]
    [DataRow("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "ks = Slice (kh, {-1}, {-9}, {1}, {-1}) kt = Transpose <perm = [0, 2, 1, 3]> (ks)", "token 5 is attended with the query of token 5, the key of token 3 and the value of token 5", "MatMul 'key'")]
    [DataRow("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "kt = Identity (fed)", "keys: the graph takes it as an input, it is not projected from the layer's tokens", "fed")]
    [DataRow("[key] k = MatMul (t0, wk)", "[key] one_head = MatMul (t0, narrow) k = Concat <axis = -1> (one_head, one_head)", "2 query heads do not share 1 key heads and 2 value heads evenly", "MatMul 'key'")]
    // Values.
    [DataRow("vt = Transpose <perm = [0, 2, 1, 3]> (vh)", "vs = Gather <axis = 2> (vh, {1, 0}) vt = Transpose <perm = [0, 2, 1, 3]> (vs)", "query head 0 meets key head 0 and value head 1, in an order other than side by side (head 0)", "MatMul 'key'")]
    [DataRow("vt = Transpose <perm = [0, 2, 1, 3]> (vh)", "vs = Gather <axis = 3> (vh, {1, 0, 2, 3}) vt = Transpose <perm = [0, 2, 1, 3]> (vs)", "element 0 of value head 0 is not element 0 of head 0 of the attention output", "MatMul 'key'")]
    [DataRow("vt = Transpose <perm = [0, 2, 1, 3]> (vh)", "vs = Slice (vh, {-1}, {-9}, {1}, {-1}) vt = Transpose <perm = [0, 2, 1, 3]> (vs)", "token 5 is attended with the query of token 5, the key of token 5 and the value of token 3", "MatMul 'key'")]
    [DataRow("vt = Transpose <perm = [0, 2, 1, 3]> (vh)", "vs = Transpose <perm = [0, 2, 1, 3]> (vh) vt = Mul (vs, number)", "values: Mul is not a projection (MatMul, Gemm, MatMulNBits)", "Mul ''")]
    // The output.
    [DataRow("[output] o = MatMul (a, wo)", "[output] o = MatMul (a, short)", "heads of 4 do not fit an output projection of 6 elements", "Softmax 'softmax'")]
    [DataRow("float[b, s, 8] x, float[s, s] mask", "float[b, 1, 8] x, float[1, 1] mask", "there is only one key, so that queries and keys cannot be told apart", "Softmax 'softmax'")]
    public void HeadsInAnotherOrder_AreRefused(string part, string replacement, string reason, string culprit) => RuleTest.Fails(Layer.With(part, replacement).WithLists(), reason, culprit);

    [TestMethod]
    public void KeysAndValuesInAnotherOrderOfTokens_AreRefused() => RuleTest.Fails(Layer
        .With("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", "ks = Slice (kh, {-1}, {-9}, {1}, {-1}) kt = Transpose <perm = [0, 2, 1, 3]> (ks)").With("vt = Transpose <perm = [0, 2, 1, 3]> (vh)", "vs = Slice (vh, {-1}, {-9}, {1}, {-1}) vt = Transpose <perm = [0, 2, 1, 3]> (vs)").WithLists(),
        "token 5 is attended with the query of token 5, the key of token 3 and the value of token 3", "MatMul 'key'");

    /// <summary>The last key must be that of a token: what a model always has stands before the tokens.</summary>
    [TestMethod]
    [DataRow("(prefix, kt)", null)]
    [DataRow("(kt, prefix)", "keys: it is a constant, not the output of a projection")]
    public void StoredKeys_StandBeforeTheTokens(string join, string? reason) => Assert.AreEqual(reason, RuleTest.Recognise(Cached.With("(past_key, kt)", join).WithLists()).Reason);

    /// <summary>Halves that are turned apart and joined: (a cos - b sin, b cos + a sin).</summary>
    [TestMethod]
    public void ARotationByHalves_IsRead()
    {
        AttentionSite site = Site(Layer.With("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", $"qu = Transpose <perm = [0, 2, 1, 3]> (qh) {Halves("q")}").With("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", $"ku = Transpose <perm = [0, 2, 1, 3]> (kh) {Halves("k")}")
            .With("t0 = Identity (x)", "t0 = LayerNormalization (x, whole)"));
        Assert.AreEqual(("qt", "query", "key"), (site.QueryOperand!.Value.Name, site.Query.Projection.Node.Name, site.Key.Projection.Node.Name));

        static string Halves(string x) => $"""
            {x}1, {x}2 = Split <axis = -1> ({x}u, half_sizes) {x}1c = Mul ({x}1, half_cos) {x}2s = Mul ({x}2, half_cos) {x}x = Sub ({x}1c, {x}2s) {x}2c = Mul ({x}2, half_cos) {x}1s = Mul ({x}1, half_cos) {x}y = Add ({x}2c, {x}1s)
            {x}t = Concat <axis = -1> ({x}x, {x}y)
            """.Replace("half_sizes", "{2, 2}", StringComparison.Ordinal);
    }

    /// <summary>Factors and normalizations on both sides of a rotation belong to the queries.</summary>
    [TestMethod]
    public void WhatStandsAroundARotation_IsRead()
    {
        AttentionSite site = Site(Rotated.With("qu = Transpose <perm = [0, 2, 1, 3]> (qh)", "qg = SimplifiedLayerNormalization (qh, gain) qm = Mul (qg, two) qu = Transpose <perm = [0, 2, 1, 3]> (qm)").With("[scores] scores = MatMul (qt, kl)", "qf = Mul (qt, two) [scores] scores = MatMul (qf, kl)"));
        Assert.AreEqual((4f, 2f, "gain"), (site.QueryOperand!.Factor, site.Scale, site.QueryNormalization!.Weight.Name));
        RuleTest.Fails(Rotated.With("qu = Transpose <perm = [0, 2, 1, 3]> (qh)", "qg = SimplifiedLayerNormalization (qh, gain) qu = Transpose <perm = [0, 2, 1, 3]> (qg)")
            .With("[scores] scores = MatMul (qt, kl)", "qf = SimplifiedLayerNormalization (qt, gain) [scores] scores = MatMul (qf, kl)").WithLists(), "queries: it is normalised twice", "Add ''");
    }

    private static string Cached => Layer.With("kl = Transpose <perm = [0, 1, 3, 2]> (kt)", "present_key = Concat <axis = 2> (past_key, kt) kl = Transpose <perm = [0, 1, 3, 2]> (present_key)")
        .With("[meet] h = MatMul (p, vt)", "present_value = Concat <axis = 2> (past_value, vt) [meet] h = MatMul (p, present_value)").With("float[s, s] mask", "float[s, \"past + s\"] mask")
        .With("(float[b, s, 8] y)", "(float[b, s, 8] y, float[b, 2, all, 4] present_key, float[b, 2, all, 4] present_value)");

    private static string Sinks(string join, string cut, string scores = "wide") => Layer.With("int64 first = {0}", "float[1, 2, 1, 1] sinks = {0.5, 1.5}, int64 first = {0}").With("[softmax] p = Softmax (masked)",
        $"rows = Shape <end = 3> (masked) columns = Concat <axis = 0> (rows, {{1}}) column = Expand (sinks, columns) wide = {join} [softmax] all = Softmax ({scores}) p = {cut}");

    private static string Grouped(string queries) => Layer.With("[query] q = MatMul (t0, wq)", $"[packed] all = MatMul (t0, double_width) {queries} q = Reshape (queries, {{0, 0, 8}})").With("qh = Reshape (q, {0, 0, 2, 4})", "qh = Reshape (q, {0, 0, 4, 2})")
        .With("[key] k = MatMul (t0, wk)", "k = Gather <axis = 3> (groups, {-2})").With("kh = Reshape (k, {0, 0, 2, 4})", "k2 = Reshape (k, {0, 0, 2, 2}) kh = Gather <axis = 2> (k2, {0, 0, 1, 1})")
        .With("[value] v = MatMul (t0, wv)", "v = Gather <axis = 3> (groups, {-1})").With("vh = Reshape (v, {0, 0, 2, 4})", "v2 = Reshape (v, {0, 0, 2, 2}) vh = Gather <axis = 2> (v2, {0, 0, 1, 1})");

    private static string Shared => Layer.With("MatMul (t0, wk)", "MatMul (t0, narrow)").With("MatMul (t0, wv)", "MatMul (t0, narrow)")
        .With("kh = Reshape (k, {0, 0, 2, 4})", "k1 = Reshape (k, {0, 0, 1, 4}) kh = Expand (k1, {1, 1, 2, 1})").With("vh = Reshape (v, {0, 0, 2, 4})", "v1 = Reshape (v, {0, 0, 1, 4}) vh = Expand (v1, {1, 1, 2, 1})");

    private static string Rotated => Layer.With("qt = Transpose <perm = [0, 2, 1, 3]> (qh)", $"qu = Transpose <perm = [0, 2, 1, 3]> (qh) {Rotation("q")}").With("kt = Transpose <perm = [0, 2, 1, 3]> (kh)", $"ku = Transpose <perm = [0, 2, 1, 3]> (kh) {Rotation("k")}");

    private static string Rotation(string name) => string.Join(' ', "a = Slice (u, {0}, {2}, {-1}) b = Slice (u, {2}, {9}, {-1}) n = Neg (b) r = Concat <axis = -1> (n, a) c = Mul (u, cos) d = Mul (r, cos) t = Add (c, d)"
        .Split(' ').Select(word => word.Trim('(', ')', ',') is { Length: 1 } letter && char.IsAsciiLetter(letter[0]) ? word.Replace(letter, name + letter, StringComparison.Ordinal) : word));

    private static AttentionSite Site(string text) => RuleTest.Site(text.WithLists());
}
