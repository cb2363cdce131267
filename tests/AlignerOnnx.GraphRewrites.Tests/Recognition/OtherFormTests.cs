using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>What is read of attention forms other than GroupQueryAttention, and why some are refused. Hidden size 8, two heads of 4.</summary>
[TestClass]
public sealed class OtherFormTests
{
    /// <summary>A layer around a core: q, k, v come from x, o follows a.</summary>
    private const string Layer = """
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        decoder (float[b, s, 8] x, float[b, 2, past, 4] past_key, float[b, 2, past, 4] past_value, float[b, 1, s, all] mask, float[b, all] padding, int64[b, s] positions, bool long) => (float[b, s, 8] y)
            <float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[8, 24] wqkv = ["location": "wqkv"], float[24] bqkv = ["location": "bqkv"], float[16, 2] cos = ["location": "cos"], float[16, 2] sin = ["location": "sin"],
             int64[4] heads = {0, 0, 2, 4}, int64[3] flat = {0, 0, 8}>
        {
            [query] q = MatMul (x, wq)
            [key] k = MatMul (x, wk)
            [value] v = MatMul (x, wv)
            CORE
            [output] o = MatMul (a, wo)
            [residual] y = Add (x, o)
        }
        """;

    [TestMethod]
    public void MultiHeadAttention_WithAPast_IsADecoder()
    {
        AttentionSite site = Site("[core] a, present_key, present_value = com.microsoft.MultiHeadAttention <num_heads = 2, scale = 0.125> (q, k, v, bqkv, , , past_key, past_value)");
        Assert.AreEqual(("MultiHeadAttention", 2, 2, 4, 0.125f), (site.Form, site.QueryHeads, site.KeyValueHeads, site.HeadSize, site.Scale));
        Assert.AreEqual(("past_key", "past_value", "present_key", "present_value"), (site.Cache.PastKey?.Name, site.Cache.PastValue?.Name, site.Cache.PresentKey?.Name, site.Cache.PresentValue?.Name));
        Assert.AreEqual((0L, 8L, 16L), (site.Query.LateBias!.First, site.Key.LateBias!.First, site.Value.LateBias!.First));
        Assert.AreEqual(new QueryOperand(site.Query.Projection.Result, HeadLayout.SequenceMajor, false, true, true) { Bias = site.Value.LateBias.Vector }, site.QueryOperand);
        Assert.IsFalse(site.Scores.IsCausal);
    }

    /// <summary>The model builder's float32 exports for CUDA, releases 0.2 to 0.18: one key/value head, repeated behind the cache for both query heads.</summary>
    [TestMethod]
    public void MultiHeadAttention_WithHeadsRepeatedBehindTheCache_HasItsOwnNumberOfKeys()
    {
        const string repeated = """
            kr = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kr) present_key = Concat <axis = 2> (past_key, kt) ks = Shape (present_key)
            ku = Unsqueeze (present_key, two) ke = Expand (ku, wide) kf = Reshape (ke, narrow) kb = Transpose <perm = [0, 2, 1, 3]> (kf) kc = Reshape (kb, flat)
            vr = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vr) present_value = Concat <axis = 2> (past_value, vt)
            vu = Unsqueeze (present_value, two) ve = Expand (vu, wide) vf = Reshape (ve, narrow) vb = Transpose <perm = [0, 2, 1, 3]> (vf) vc = Reshape (vb, flat)
            [core] a = com.microsoft.MultiHeadAttention <num_heads = 2> (q, kc, vc, , , mask)
            """;
        string text = Layer.With("CORE", repeated).With("float[8, 8] wk", "int64[1] two = {2}, int64[5] wide = {1, 1, 2, 1, 4}, int64[4] narrow = {1, 2, -1, 4}, float[8, 4] wk").With("float[8, 8] wv", "float[8, 4] wv")
            .With("int64[4] heads = {0, 0, 2, 4}", "int64[4] heads = {0, 0, -1, 4}").With("(float[b, s, 8] y)", "(float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)");
        AttentionSite site = RuleTest.Site(text);
        Assert.AreEqual((2, 1, 4), (site.QueryHeads, site.KeyValueHeads, site.HeadSize));
        Assert.AreEqual(("past_key", "present_value"), (site.Cache.PastKey?.Name, site.Cache.PresentValue?.Name));
        RuleTest.Fails(text.With("ku = Unsqueeze (present_key, two)", "three = Constant <value_ints = [3]> () [again] ku = Unsqueeze (present_key, three)"),
            "key/value heads are repeated in another order than side by side", "Expand ''");
    }

    /// <summary>docs/recognition.md, the last column of the forms.</summary>
    [TestMethod]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v, bqkv)", "one-token many-token portable")]
    [DataRow("m = MatMul (x, wqkv) five = Constant <value_ints = [0, 0, 2, 3, 4]> () r = Reshape (m, five) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (r)", "one-token")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, wqkv, bqkv)", "one-token")]
    [DataRow("a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, k, v)", "one-token many-token portable")]
    public void Layouts_OfAForm_AreThoseOfTheDocumentation(string core, string layouts)
    {
        // The small layer has no token ids, which prefix slots want.
        OnnxModel model = OnnxText.Load(Layer.With("CORE", core));
        Assert.AreEqual(layouts, string.Join(' ', SlotLayouts.All.Where(layout => SlotLayouts.WhyNot(model, layout) is null).Select(SlotLayouts.NameOf)));
    }

    [TestMethod]
    [DataRow("float16", Onnx.TensorProto.Types.DataType.Float16)]
    [DataRow("bfloat16", Onnx.TensorProto.Types.DataType.Bfloat16)]
    public void Slots_TakeTheTypeOfTheGraph(string type, Onnx.TensorProto.Types.DataType expected)
    {
        OnnxModel model = OnnxText.Load(With("a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v)").Replace("float[", $"{type}[", StringComparison.Ordinal));
        AttentionSite site = RecognisedModel.Of(model).RequireSites().Single();
        Assert.AreEqual(expected, site.ElementType);
        SlotLayouts.Apply(model, [site], SlotLayout.OneToken);
        Assert.AreEqual(expected, model.Graph.Find(OneTokenInjection.Slot)!.Initializer!.ElementType);
    }

    [TestMethod]
    public void QueriesOfAnotherTypeThanTheSlots_LeaveOnlyOneTokenSlots()
    {
        const string core = "qc = Cast <to = 10> (q) kc = Cast <to = 10> (k) vc = Cast <to = 10> (v) ac = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (qc, kc, vc) a = Cast <to = 1> (ac)";
        Assert.AreEqual("queries enter the core as Float16, slots are of Float", Site(core).QueryObstacle);
        OnnxModel model = OnnxText.Load(Layer.With("CORE", core));
        Assert.IsNull(SlotLayouts.WhyNot(model, SlotLayout.OneToken));
        Assert.Contains("Float16", SlotLayouts.WhyNot(model, SlotLayout.ManyToken)!);
    }

    [TestMethod]
    public void MultiHeadAttention_WithPackedHeads_StridesOverTheProjection()
    {
        AttentionSite site = Site("m = MatMul (x, wqkv) five = Constant <value_ints = [0, 0, 2, 3, 4]> () r = Reshape (m, five) [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (r)");
        Assert.AreEqual((8L, 8L, 12L, 4L, false), (site.Value.First, site.Value.Count, site.Value.BlockStride!.Value, site.Value.BlockSize!.Value, site.Value.IsWhole));
        Assert.IsTrue(site.QueryOperand is { IsPacked: true, Interleaved: true, Layout: HeadLayout.SequenceHeads });
    }

    [TestMethod]
    public void PackedAttention_ProjectsInside_SoThatQueriesAreNoValue()
    {
        AttentionSite site = Site("[core] a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, wqkv, bqkv)");
        Assert.AreEqual(("Attention (com.microsoft)", 8L, 16L), (site.Form, site.Key.First, site.Value.First));
        Assert.AreEqual("bqkv", site.Key.Projection.Bias!.Name);
        Assert.IsNull(site.QueryOperand);
        Assert.IsNull(site.QueryObstacle);
        Assert.IsNotNull(Site("[core] a = com.microsoft.Attention <num_heads = 2, unidirectional = 1, do_rotary = 1> (x, wqkv, bqkv)").QueryObstacle);
    }

    [TestMethod]
    public void PagedAttention_IsFlat_AndGetsItsVectorAsOneRow()
    {
        string text = Layer.With("CORE", """
            [core] a, key_cache, value_cache = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1, local_window_size = 8> (q, k, v, past_key, past_value, past, past, past, cos, sin)
            """).With("float[b, s, 8] x", "float[tokens, 8] x").With("bool long", "bool long, int32[b] past").With("(float[b, s, 8] y)", "(float[tokens, 8] y)");
        AttentionSite site = RuleTest.Site(text);
        Assert.AreEqual(("PagedAttention", true, 8L, HeadLayout.Flat), (site.Form, site.IsFlat, site.Scores.LocalWindow, site.Attended.Layout));
        OnnxModel model = OnnxText.Load(text);
        SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), SlotLayout.OneToken);
        Node reshape = model.Graph.Nodes.Single(node => node.Is("Reshape"));
        CollectionAssert.AreEqual(new long[] { 1, 8 }, reshape.Input(1)!.Initializer!.ReadInt64s());
    }

    [TestMethod]
    public void PagedAttention_GivesItsFacts()
    {
        const string rest = "past_key, past_value, past, past, past, cos, sin)";
        AttentionSite rotating = Paged($"<num_heads = 2, kv_num_heads = 2, do_rotary = 1, rotary_interleaved = 1, softcap = 20.0, scale = 0.25> (q, k, v, {rest}");
        Assert.AreEqual((0.25f, 20f, -1L), (rotating.Scale, rotating.Scores.SoftCap, rotating.Scores.LocalWindow));
        Assert.AreEqual(("cos", "sin", true, true, 4), (rotating.Rotary!.Cosines.Name, rotating.Rotary.Sines.Name, rotating.Rotary.Interleaved, rotating.Rotary.IsInsideCore, rotating.Rotary.RotatedSize));
        Assert.AreEqual((false, false, true, HeadLayout.Flat), (rotating.QueryOperand!.IsPacked, rotating.QueryOperand.IsRotated, rotating.QueryOperand.IsNormalised, rotating.QueryOperand.Layout));
        Assert.AreEqual("PagedAttention rotates queries by positions that the graph does not hold as a value", rotating.QueryObstacle);
        Assert.AreEqual(("past_key", "past_value", "key_cache", "value_cache"), (rotating.Cache.PastKey!.Name, rotating.Cache.PastValue!.Name, rotating.Cache.PresentKey!.Name, rotating.Cache.PresentValue!.Name));

        AttentionSite packed = Paged($"<num_heads = 2, kv_num_heads = 2> (m, , , {rest}");
        Assert.AreEqual((0.5f, true, true, 8L, 16L), (packed.Scale, packed.QueryOperand!.IsPacked, packed.QueryOperand.IsRotated, packed.Key.First, packed.Value.First));
        Assert.IsNull(packed.Rotary);
        Assert.IsNull(packed.QueryObstacle);

        static AttentionSite Paged(string core) => RuleTest.Site(Layer.With("CORE", $"m = MatMul (x, wqkv) a, key_cache, value_cache = com.microsoft.PagedAttention {core}")
            .With("float[b, s, 8] x", "float[tokens, 8] x").With("bool long", "bool long, int32[b] past").With("(float[b, s, 8] y)", "(float[tokens, 8] y)"));
    }

    /// <summary>Keys and values of earlier tokens stand in one value; a core that has them decodes.</summary>
    [TestMethod]
    public void PackedAttention_GivesItsFacts()
    {
        AttentionSite site = Site("[core] a, present = com.microsoft.Attention <num_heads = 2, scale = 0.25, qkv_hidden_sizes = [8, 8, 8]> (x, wqkv, , , past_key, mask)");
        Assert.AreEqual((0.25f, false, "mask", 2, 2, 4), (site.Scale, site.Scores.IsCausal, site.Scores.Bias!.Name, site.QueryHeads, site.KeyValueHeads, site.HeadSize));
        Assert.AreEqual(("past_key", "past_key", "present", "present"), (site.Cache.PastKey!.Name, site.Cache.PastValue!.Name, site.Cache.PresentKey!.Name, site.Cache.PresentValue!.Name));
        Assert.AreEqual((0L, 8L, 16L, 8L), (site.Query.First, site.Key.First, site.Value.First, site.Value.Count));
        Assert.IsNull(site.Query.Projection.Bias);
        Assert.AreEqual(0.5f, Site("[core] a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, wqkv)").Scale);
    }

    [TestMethod]
    public void AnOutputThatASubgraphAndCallersRead_IsRefused() => RuleTest.Fails(
        Layer.With("CORE", "[core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v)").With("(float[b, s, 8] y)", "(float[b, s, 8] y, float[b, s, 8] o, float[] z)")
            .With("[residual]", "z = If (long) <then_branch = yes () => (float[] c) { c = Identity (o) }, else_branch = no () => (float[] d) { d = Identity (x) }> [residual]"),
        "the layer's output is read by a subgraph and by callers", "o");

    [TestMethod]
    public void StandardAttention_OfFourDimensions_IsHeadMajorWithFactsOfItsRotation()
    {
        AttentionSite site = Site("""
            qh = Reshape (q, heads) qt = Transpose <perm = [0, 2, 1, 3]> (qh) kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kh) vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh)
            [turn] qr = RotaryEmbedding <interleaved = 1> (qt, cos, sin, positions) kr = RotaryEmbedding <interleaved = 1> (kt, cos, sin, positions)
            [core] h, present_key, present_value = Attention <is_causal = 1, softcap = 30.0> (qr, kr, vt, , past_key, past_value)
            t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, flat)
            """);
        Assert.AreEqual(("Attention", 2, 4, 30f, 0.5f), (site.Form, site.QueryHeads, site.HeadSize, site.Scores.SoftCap, site.Scale));
        Assert.AreEqual((HeadLayout.HeadMajor, "h", HeadLayout.HeadMajor), (site.Attended.Layout, site.Attended.Value.Name, site.QueryOperand!.Layout));
        Assert.AreEqual(("cos", "sin", "positions", true, false, 4), (site.Rotary!.Cosines.Name, site.Rotary.Sines.Name, site.Rotary.PositionIds!.Name, site.Rotary.Interleaved, site.Rotary.IsInsideCore, site.Rotary.RotatedSize));
        Assert.AreEqual("turn", site.Rotary.QueryNode!.Name);
        Assert.IsTrue(site.Cache.IsPresent);
    }

    /// <summary>Partial rotary embeddings in elementary operators: the rotated part of each head is cut off by Split, before or behind the change to heads first. Two heads of 8, four elements rotated.</summary>
    [TestMethod]
    [DataRow("P1, P2 = Split <axis = -1> (Ph, halves) Pr = Transpose <perm = [0, 2, 1, 3]> (P1) Pu = Transpose <perm = [0, 2, 1, 3]> (P2)", DisplayName = "before")]
    [DataRow("Pt = Transpose <perm = [0, 2, 1, 3]> (Ph) Pr, Pu = Split <axis = -1> (Pt, halves)", DisplayName = "behind")]
    [DataRow("Pt = Transpose <perm = [0, 2, 1, 3]> (Ph) P1, Pu = Split <axis = -1> (Pt, halves) Pr = Cast <to = 1> (P1)", DisplayName = "converted")]
    public void PartsThatAreRotated_MayBeSplitOff(string cut)
    {
        string Turned(string name) => ($"Ph = Reshape (P, heads) {cut} Pa, Pb = Split <axis = -1> (Pr, pairs) Pn = Neg (Pb) Px = Concat <axis = -1> (Pn, Pa) Pc = Mul (Pr, angles) Ps = Mul (Px, angles) Py = Add (Pc, Ps) Pz = Concat <axis = -1> (Py, Pu) ")
            .Replace("P", name, StringComparison.Ordinal);
        AttentionSite site = RuleTest.Site(Layer.With("CORE", $"{Turned("q")} {Turned("k")} vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh) [core] h = Attention <is_causal = 1> (qz, kz, vt) t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, flat)")
            .With("float[8, 8] wq", "int64[2] halves = {4, 4}, int64[2] pairs = {2, 2}, float[3, 4] angles = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, float[8, 16] wq").With("float[8, 8] wk", "float[8, 16] wk").With("float[8, 8] wv", "float[8, 16] wv")
            .With("float[8, 8] wo", "float[16, 8] wo").With("{0, 0, 2, 4}", "{0, 0, 2, 8}").With("{0, 0, 8}", "{0, 0, 16}"));
        Assert.AreEqual((2, 2, 8), (site.QueryHeads, site.KeyValueHeads, site.HeadSize));
        Assert.IsTrue(site.Query.IsWhole && site.Key.IsWhole && site.Value.IsWhole);
        Assert.AreEqual(("qz", true), (site.QueryOperand!.Value.Name, site.QueryOperand.IsRotated));
    }

    [TestMethod]
    [DataRow("a = Reshape (h, flat)", "Reshape ''")]
    [DataRow("[swap] t = Transpose <perm = [0, 2, 3, 1]> (h) a = Reshape (t, flat)", "Transpose 'swap'")]
    [DataRow("t = Transpose <perm = [0, 2, 1, 3]> (h) [again] u = Transpose <perm = [0, 2, 1, 3]> (t) a = Reshape (u, flat)", "Transpose 'again'")]
    public void HeadsThatAreMixedBehindTheCore_AreRefused(string behind, string culprit) => RuleTest.Fails(Layer.With("CORE", $"""
        qh = Reshape (q, heads) qt = Transpose <perm = [0, 2, 1, 3]> (qh) kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kh) vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh)
        h = Attention <is_causal = 1> (qt, kt, vt) {behind}
        """), "heads reach the output projection in another order than side by side", culprit);

    [TestMethod]
    public void HeadsThatAreMixedBeforeTheCore_AreRefused()
    {
        RuleTest.Fails(Layer.With("CORE", "four = Constant <value_ints = [0, 2, -1, 4]> () qh = Reshape (q, four) kh = Reshape (k, four) vh = Reshape (v, four) h = Attention <is_causal = 1> (qh, kh, vh) t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, flat)"),
            "heads reach the attention in another order than side by side", "MatMul 'query'");
        RuleTest.Fails(Layer.With("CORE", "kh = Reshape (k, heads) [turn] kt = Transpose <perm = [0, 1, 3, 2]> (kh) kf = Reshape (kt, flat) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, kf, v)"),
            "a Transpose by [0,1,3,2] arranges heads in another order", "Transpose 'turn'");
    }

    [TestMethod]
    public void RotaryCaches_OfAnIf_AreValuesOfTheGraph()
    {
        AttentionSite site = Site("""
            c, n = If (long) <then_branch = far () => (float[16, 1] c1, float[16, 1] n1) { c1 = Constant <value = float[16, 1] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}> () n1 = Identity (c1) },
                else_branch = near () => (float[16, 1] c2, float[16, 1] n2) { c2 = Constant <value = float[16, 1] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}> () n2 = Identity (c2) }>
            lengths = Constant <value_ints = [3]> () total = Constant <value_int = 4> ()
            [core] a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v, past_key, past_value, lengths, total, c, n)
            """);
        Assert.AreEqual(("c", "n", 2, true, "lengths"), (site.Rotary!.Cosines.Name, site.Rotary.Sines.Name, site.Rotary.RotatedSize, site.Rotary.IsInsideCore, site.Rotary.SequenceLengths!.Name));
    }

    [TestMethod]
    public void LoRAOfTheOutputThatCallersFeed_IsNoObstacle()
    {
        AttentionSite site = RuleTest.Site(Layer.With("CORE", "[core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v)")
            .With("[output] o = MatMul (a, wo)", "[output] m = MatMul (a, wo) low = MatMul (a, down) [up] high = MatMul (low, up) o = Add (m, high)")
            .With("bool long", "bool long, float[8, 2] down, float[2, 8] up"));
        Assert.AreEqual(("o", "up", "output"), (site.End.Name, site.Output.FedUpdate!.Name, site.Output.Node.Name));
    }

    [TestMethod]
    public void AnOutputOfTheGraphBehindTheProjection_KeepsItsNameAndGetsTheSum()
    {
        string text = Layer.With("CORE", "[core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v)").With("(float[b, s, 8] y)", "(float[b, s, 8] y, float[b, s, 8] o)");
        OnnxModel model = OnnxText.Load(text);
        SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), SlotLayout.OneToken);
        Value output = model.Graph.Outputs[1];
        Assert.AreEqual(("o", "Add"), (output.Name, output.Producer!.OpType));
        Assert.AreEqual("output", output.Producer.Input(0)!.Producer!.Name);
        Assert.AreSame(output, model.Graph.Outputs[0].Producer!.Input(1));
        RuleTest.AssertSame(OnnxText.Load(text), SlotLayouts.WithoutSlots(model));
    }

    [TestMethod]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v)", "the attention sees the whole sequence: an encoder, not a decoder", "MultiHeadAttention 'core'")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2> (x, wqkv, bqkv)", "the attention sees the whole sequence: an encoder, not a decoder", "Attention 'core'")]
    [DataRow("a = Attention <q_num_heads = 2, kv_num_heads = 2> (q, k, v)", "the attention sees the whole sequence: an encoder, not a decoder", "Attention 'core'")]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v, x)", "the core's bias is not one constant vector for queries, keys and values", "x")]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 3, unidirectional = 1> (q, k, v)", "3 query heads are not a multiple of 4 key/value heads", "MultiHeadAttention 'core'")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1, qkv_hidden_sizes = [8, 8, 4]> (x, wqkv, bqkv)", "qkv_hidden_sizes do not fit a weight of 24 columns", "Attention 'core'")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, x, bqkv)", "the weight is not a constant", "x")]
    [DataRow("a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, , v)", "queries, keys or values are absent", "Attention 'core'")]
    [DataRow("a = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v)", "do_rotary is set and the rotary caches are absent", "PagedAttention 'core'")]
    public void Fails_WithReasonAndCulprit(string core, string reason, string culprit) => RuleTest.Fails(Layer.With("CORE", $"[core] {core}"), reason, culprit);

    [TestMethod]
    public void AMaskOfPaddingAlone_IsAnEncoders()
    {
        const string padding = "one = Constant <value_float = 1.0> () far = Constant <value_float = -10000.0> () inverse = Sub (one, padding) bias = Mul (inverse, far)";
        const string core = "[core] a = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v, , , bias)";
        RuleTest.Fails(Layer.With("CORE", $"{padding} {core}"), "the attention's mask hides no later keys (MultiHeadAttention without a cache): an encoder, not a decoder", "MultiHeadAttention 'core'");
        Assert.AreEqual("bias", Site($"{padding} {core}".With("bias = Mul (inverse, far)", "triangle = Trilu <upper = 1> (inverse) bias = Mul (triangle, far)")).Scores.Bias!.Name);
        Assert.AreEqual("mask", Site(core.With("bias", "mask")).Scores.Bias!.Name, "what a caller masks is his own");
    }

    /// <summary>Masks that a file stores: a triangle hides the second key from the first query, and not the first from the last.</summary>
    [TestMethod]
    [DataRow("float[1, 1, 2, 2] m = {0, -10000, 0, 0}", true, DisplayName = "a triangle")]
    [DataRow("float[3, 3] m = {0, -1, -1, 0, 0, -1, 0, 0, 0}", true, DisplayName = "without a batch")]
    [DataRow("bool[2, 2] m = {1, 0, 1, 1}", true, DisplayName = "of truth values")]
    [DataRow("float[1, 1, 2, 2] m = {0, 0, 0, 0}", false, DisplayName = "nothing is hidden")]
    [DataRow("float[1, 1, 2, 2] m = {0, 1, 1, 0}", false, DisplayName = "symmetric")]
    [DataRow("float[3, 3] m = {0, 1, 1, 1, 0, 7, 1, 0, 0}", false, DisplayName = "symmetric where it is looked at")]
    [DataRow("float[1, 1, 2, 3] m = {0, -1, -1, 0, 0, -1}", false, DisplayName = "no square")]
    [DataRow("float[2, 2, 2] m = {0, -1, 0, 0, 0, -1, 0, 0}", false, DisplayName = "one for each sequence")]
    [DataRow("float[1, 1] m = {0}", false, DisplayName = "of one key")]
    [DataRow("float[4] m = {0, -1, 0, 0}", false, DisplayName = "no matrix")]
    [DataRow("uint4[2, 2] m = {16, 0}", false, DisplayName = "of half bytes")]
    [DataRow("float[2049, 2049] m = [\"location\": \"large\"]", false, DisplayName = "of a context larger than any that is stored")]
    public void AStoredMask_IsADecodersWhereItIsATriangle(string mask, bool isTriangle)
    {
        const string core = "expanded = Identity (m) [core] a = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v, , , expanded)";
        Match<AttentionSite> match = RuleTest.Recognise(Layer.With("CORE", core).With("int64[4] heads", $"{mask}, int64[4] heads"));
        Assert.AreEqual(isTriangle ? null : "the attention's mask hides no later keys (MultiHeadAttention without a cache): an encoder, not a decoder", match.Reason);
    }

    /// <summary>The cache of a core itself, and one that is joined before it; the core's own comes first.</summary>
    [TestMethod]
    [DataRow("Attention <q_num_heads = 2, kv_num_heads = 2>")]
    [DataRow("com.microsoft.MultiHeadAttention <num_heads = 2>")]
    public void Caches_AreTheCoresOrJoinedBeforeIt(string core)
    {
        bool standard = core.StartsWith('A');
        string masks = standard ? ", , " : ", , , , ";
        CacheFacts own = Cache($"[core] a, pk, pv = {core} (q, k, v{masks}past_key, past_value)");
        Assert.AreEqual(("past_key", "past_value", "pk", "pv"), (own.PastKey?.Name, own.PastValue?.Name, own.PresentKey?.Name, own.PresentValue?.Name));
        const string joined = """
            kr = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kr) jk = Concat <axis = 2> (past_key, kt) vr = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vr) jv = Concat <axis = 2> (past_value, vt)
            kb = Transpose <perm = [0, 2, 1, 3]> (jk) kf = Reshape (kb, flat) vb = Transpose <perm = [0, 2, 1, 3]> (jv) vf = Reshape (vb, flat)
            """;
        CacheFacts before = Cache($"{joined} [core] a = {core} (q, kf, vf)");
        Assert.AreEqual(("past_key", "past_value", "jk", "jv"), (before.PastKey?.Name, before.PastValue?.Name, before.PresentKey?.Name, before.PresentValue?.Name));
        CacheFacts both = Cache($"{joined} [core] a, pk, pv = {core} (q, kf, vf{masks}own_key, own_value)");
        Assert.AreEqual(("own_key", "own_value", "pk", "pv"), (both.PastKey?.Name, both.PastValue?.Name, both.PresentKey?.Name, both.PresentValue?.Name));

        static CacheFacts Cache(string text) => RuleTest.Site(Layer.With("CORE", text).With("bool long", "bool long, float[b, 2, past, 4] own_key, float[b, 2, past, 4] own_value")).Cache;
    }

    [TestMethod]
    public void StandardAttention_ReadsItsScaleAndOperands()
    {
        AttentionSite site = Site("[core] a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1, scale = 0.125> (q, k, v)");
        Assert.AreEqual(0.125f, site.Scale);
        Assert.AreEqual(new QueryOperand(site.Query.Projection.Result, HeadLayout.SequenceMajor, false, true, true), site.QueryOperand);
        Assert.AreEqual((-1L, true, null), (site.Scores.LocalWindow, site.Scores.IsCausal, site.Scores.Bias));
    }

    /// <summary>Queries alone, keys and values of a head side by side: [b, s, 2 heads, 2, 4].</summary>
    [TestMethod]
    public void MultiHeadAttention_WithPackedKeysAndValues_StridesOverTheirProjection()
    {
        AttentionSite site = RuleTest.Site(PackedPair("five = Constant <value_ints = [0, 0, 2, 2, 4]> () r = Reshape (m, five)", "r"));
        Assert.AreEqual((0L, 8L, 8L, 4L), (site.Key.First, site.Key.Count, site.Key.BlockStride!.Value, site.Key.BlockSize!.Value));
        Assert.AreEqual((4L, 8L, 8L, 4L), (site.Value.First, site.Value.Count, site.Value.BlockStride!.Value, site.Value.BlockSize!.Value));
        Assert.AreEqual(("query", true), (site.Query.Projection.Node.Name, site.Query.IsWhole));
    }

    [TestMethod]
    [DataRow("r = RotaryEmbedding (m, cos, sin)", "r", "16 packed elements do not divide into 2 heads of 2 parts, or are changed together", "r")]
    [DataRow("r = SimplifiedLayerNormalization (m, gain)", "r", "16 packed elements do not divide into 2 heads of 2 parts, or are changed together", "r")]
    [DataRow("one_part, r = Split <axis = -1> (m, uneven)", "r", "15 packed elements do not divide into 2 heads of 2 parts, or are changed together", "r")]
    [DataRow("one_part, r = Split <axis = -1> (m, few)", "r", "3 packed elements do not divide into 2 heads of 2 parts, or are changed together", "r")]
    [DataRow("half, other = Split <axis = -1> (m, halves) r = Add (other, gain)", "r", "8 packed elements do not divide into 2 heads of 2 parts, or are changed together", "r")]
    [DataRow("r = Sigmoid (m)", "r", "Sigmoid is not a projection (MatMul, Gemm, MatMulNBits)", "Sigmoid ''")]
    public void MultiHeadAttention_WithPackedHeadsThatAreChanged_IsRefused(string between, string operand, string reason, string culprit) => RuleTest.Fails(PackedPair(between, operand), reason, culprit);

    [TestMethod]
    public void MultiHeadAttention_WithQueriesOfNoProjection_IsRefused() =>
        RuleTest.Fails(PackedPair("n = Sigmoid (q) five = Constant <value_ints = [0, 0, 2, 2, 4]> () r = Reshape (m, five)", "r").With("(q, r)", "(n, r)"), "Sigmoid is not a projection (MatMul, Gemm, MatMulNBits)", "Sigmoid ''");

    /// <summary>Keys and values that come as [b, heads, s, size] are a cache that was joined before; or not even in the order of heads.</summary>
    [TestMethod]
    [DataRow("kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kh) vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh)")]
    [DataRow("kt = Reshape (k, two_rows) vt = Reshape (v, two_rows)")]
    public void MultiHeadAttention_WithKeysByHead_IsRefused(string keys) => RuleTest.Fails(
        Layer.With("CORE", $"{keys} [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, kt, vt)").With("int64[4] heads", "int64[4] two_rows = {0, 2, -1, 4}, int64[4] heads"),
        "heads reach the attention in another order than side by side", "MatMul 'key'");

    [TestMethod]
    public void ABiasOfTheCore_AndOneOfAPart_AreRefused() => RuleTest.Fails(Layer
        .With("CORE", "m = MatMul (x, wqkv) q1, k1, v1 = Split <axis = -1> (m, parts) q2 = Add (q1, gain) [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q2, k1, v1, bqkv)")
        .With("int64[4] heads", "float[8] gain = {1, 1, 1, 1, 1, 1, 1, 1}, int64[3] parts = {8, 8, 8}, int64[4] heads"), "the core's bias is not one constant vector for queries, keys and values", "bqkv");

    [TestMethod]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 0, unidirectional = 1> (q, k, v)", "the query input is absent, or num_heads is out of range", "MultiHeadAttention 'core'")]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 5000, unidirectional = 1> (q, k, v)", "the query input is absent, or num_heads is out of range", "MultiHeadAttention 'core'")]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (, k, v)", "the query input is absent, or num_heads is out of range", "MultiHeadAttention 'core'")]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, x, v, bqkv)", "the value is not the output of a projection", "x")]
    [DataRow("a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v, wq)", "the core's bias is not one constant vector for queries, keys and values", "wq")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (, wqkv, bqkv)", "the input is absent", "Attention 'core'")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, wqkv, x)", "the bias is not a constant vector of queries, keys and values", "x")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, wq)", "qkv_hidden_sizes do not fit a weight of 8 columns", "Attention 'core'")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1, qkv_hidden_sizes = [16, 16, -8]> (x, wqkv)", "qkv_hidden_sizes do not fit a weight of 24 columns", "Attention 'core'")]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1, qkv_hidden_sizes = [24, 0, 0]> (x, wqkv)", "qkv_hidden_sizes do not fit a weight of 24 columns", "Attention 'core'")]
    [DataRow("a = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v, , , , , , cos)", "do_rotary is set and the rotary caches are absent", "PagedAttention 'core'")]
    [DataRow("a = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v, , , , , , , sin)", "do_rotary is set and the rotary caches are absent", "PagedAttention 'core'")]
    [DataRow("a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v, , , , , cos)", "do_rotary is set and the rotary caches are absent", "GroupQueryAttention 'core'")]
    [DataRow("a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v, , , , , , sin)", "do_rotary is set and the rotary caches are absent", "GroupQueryAttention 'core'")]
    [DataRow("a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (, k, v)", "queries, keys or values are absent", "Attention 'core'")]
    [DataRow("a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, k)", "queries, keys or values are absent", "Attention 'core'")]
    public void OperandsThatDoNotFit_AreRefused(string core, string reason, string culprit) => RuleTest.Fails(Layer.With("CORE", $"[core] {core}"), reason, culprit);

    private static string PackedPair(string between, string operand) => Layer
        .With("CORE", $"m = MatMul (x, pair) {between} [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, {operand})")
        .With("int64[4] heads", "float[8, 16] pair = [\"location\": \"p\"], float[8] gain = {1, 1, 1, 1, 1, 1, 1, 1}, int64[2] uneven = {1, 15}, int64[2] few = {13, 3}, int64[2] halves = {8, 8}, int64[4] heads");

    [TestMethod]
    public void BiasBehindTheRotation_WhichOnlyTheCoreAdds_IsRefused() => RuleTest.Fails(Layer.With("CORE", """
        qr = com.microsoft.RotaryEmbedding (q, positions, cos, sin) kr = com.microsoft.RotaryEmbedding (k, positions, cos, sin)
        [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (qr, kr, v, bqkv)
        """), "the core adds a bias after the rotary embedding or normalization", "bqkv");

    /// <summary>The small layer around a core.</summary>
    internal static string With(string core) => Layer.With("CORE", core);

    private static AttentionSite Site(string core) => RuleTest.Site(Layer.With("CORE", core));
}
