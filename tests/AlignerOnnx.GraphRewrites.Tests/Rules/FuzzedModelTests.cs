using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>What fuzzing found (docs/fuzzing.md), each in its smallest form.</summary>
[TestClass]
public sealed class FuzzedModelTests
{
    private const string TokenIds = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, bool long, int32[b] lengths, int32 total) => (float[b, s, 8] y)
            <float[100, 8] table = ["location": "table"], float[8, 24] wqkv = ["location": "wqkv"], float[8, 8] wo = ["location": "wo"]>
        {
            x = Gather (table, input_ids)
            m = MatMul (x, wqkv)
            a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2> (m, , , , , lengths, total)
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    /// <summary>Softmax attention with a cache, as Optimum writes it, without a rotary embedding. Hidden size 16, two heads of 8.</summary>
    private const string Decomposed = """
        <ir_version: 8, opset_import: ["" : 17]>
        decoder (float[b, s, 16] x, float[b, 2, past, 8] past_key, float[b, 2, past, 8] past_value) => (float[b, s, 16] y, float[b, 2, all, 8] kc, float[b, 2, all, 8] vc)
            <float[16, 16] wq = ["location": "wq"], float[16, 16] wk = ["location": "wk"], float[16, 16] wv = ["location": "wv"], float[16, 16] wo = ["location": "wo"],
             int64[4] heads = {0, 0, 2, 8}, int64[3] flat = {0, 0, 16}, float scale = {0.5}>
        {
            [query] q = MatMul (x, wq)
            [key] k = MatMul (x, wk)
            [value] v = MatMul (x, wv)
            qh = Reshape (q, heads)
            qt = Transpose <perm = [0, 2, 1, 3]> (qh)
            kh = Reshape (k, heads)
            kt = Transpose <perm = [0, 2, 1, 3]> (kh)
            vh = Reshape (v, heads)
            vt = Transpose <perm = [0, 2, 1, 3]> (vh)
            kc = Concat <axis = 2> (past_key, kt)
            vc = Concat <axis = 2> (past_value, vt)
            turned = Transpose <perm = [0, 1, 3, 2]> (kc)
            raw = MatMul (qt, turned)
            scaled = Mul (raw, scale)
            [core] p = Softmax <axis = -1> (scaled)
            [mix] mixed = MatMul (p, vc)
            back = Transpose <perm = [0, 2, 1, 3]> (mixed)
            a = Reshape (back, flat)
            [output] o = MatMul (a, wo)
            [residual] y = Add (x, o)
        }
        """;

    private const string Function = """

        <domain: "local", opset_import: ["" : 21]>
        Same (i) => (j) { j = Identity (i) }
        """;

    [TestMethod]
    public void Prefix_WhereABranchReadsTheTokenIds_LetsItReadOrdinaryIds()
    {
        const string branches = "c = If (long) <then_branch = far () => (int64[b, s] i) { i = Identity (input_ids) }, else_branch = near () => (int64[b, s] j) { j = Neg (input_ids) }> x = Gather (table, c)";
        OnnxModel model = OnnxText.Load(TokenIds.With("x = Gather (table, input_ids)", branches).With("(float[b, s, 8] y)", "(float[b, s, 8] y, float[b, s, 100] logits)").With("y = Add (x, o)", "y = Add (x, o) logits = Neg (y)"));
        Inject(model, SlotLayout.Prefix);
        Value ordinary = model.Graph.Find("input_ids")!.Uses.Single(use => use.Node.OpType == "Where").Node.Output;
        Assert.AreEqual(Use.Subgraph, ordinary.Uses.Single().Input);
        RuleTest.AssertSame(OnnxText.Load(OnnxText.Print(SlotLayouts.WithoutSlots(model).ToProto())), SlotLayouts.WithoutSlots(model));
    }

    [TestMethod]
    public void Prefix_OfTokenIdsThatAreNoSignedIntegers_IsRefused() => AssertRefused("Token ids are no integers", "Uint32", TokenIds.With("int64[b, s] input_ids", "uint32[b, s] input_ids"), SlotLayout.Prefix);

    [TestMethod]
    public void ALayerOfAnotherTypeThanSlotsHave_IsRefused() => RuleTest.Fails(Decoders.Separate.With("o = MatMul (a, wo)", "wide = Cast <to = 11> (wo) o = MatMul (a, wide)"),
        "the layer computes in Double, not in float, float16 or bfloat16", "GroupQueryAttention 'core'");

    /// <summary>What the two below damage is followed to its end.</summary>
    [TestMethod]
    public void Decomposed_WithoutAMask_IsFollowedUpToTheMask() => RuleTest.Fails(Decomposed, "no mask hides later keys: an encoder, not a decoder", "Softmax 'core'");

    [TestMethod]
    public void Decomposed_WithScoresThatDoNotRepeatIntoTheirSum_IsRefused() => RuleTest.Fails(
        Decomposed.With("scaled = Mul (raw, scale)", "m = Mul (raw, scale) scaled = Add (m, odd)").With("mixed = MatMul (p, vc)", "p2 = Where (hidden, p, scale) mixed = MatMul (p2, vt)").With("[0, 1, 3, 2]> (kc)", "[0, 1, 3, 2]> (kt)")
            .With("float scale = {0.5}", "float scale = {0.5}, float[9, 9] odd = [\"location\": \"odd\"], bool[9, 900] hidden = [\"location\": \"hidden\"], float[3] scaled, float[b, 2, s, s] p2"),
        "the probabilities that meet the values do not come from the scores element by element", "Softmax 'core'");

    [TestMethod]
    public void Decomposed_WithARotationThatNegatesNothing_IsRefused() => RuleTest.Fails(
        Decomposed.With("float scale = {0.5}", "float scale = {0.5}, float[1, 1, 1, 8] cos = {1, 1, 1, 1, 1, 1, 1, 1}, float[b, 2, s, 8] none")
            .With("kc = Concat <axis = 2> (past_key, kt)", "none = Neg () kn = Mul (none, cos) km = Mul (kt, cos) [sum] ks = Add (kn, km) kc = Concat <axis = 2> (past_key, ks)"),
        "keys: the value is a sum, not the output of a projection; nor is it a rotary embedding", "Add 'sum'");

    /// <summary>Heads are sampled at elements of the last token: here there is none.</summary>
    [TestMethod]
    public void StandardAttention_OfNoTokens_IsRecognisedByItsOperators() => Assert.IsTrue(RuleTest.Recognise(
        Decomposed.With("[\"\" : 17]", "[\"\" : 23]").With("p = Softmax <axis = -1> (scaled)", "p = Identity (scaled)").With("mixed = MatMul (p, vc)", "mixed = Attention <is_causal = 1> (qt, kc, vc)")
            .With("float[b, s, 16] x", "float[b, 0, 16] x")).Success);

    [TestMethod]
    public void AnOperatorBehindTheOutputProjectionThatGivesNothing_IsRefused() => StringAssert.Contains(
        Assert.ThrowsExactly<ModelRefusedException>(() => RuleTest.Recognise(Decoders.Separate.With("[residual] y = Add (x, o)", "[nothing] \"\", z = Add (o, bias) y = Neg (z)").With("<float[8, 8] wq", "<float[8] bias = [\"location\": \"b\"], float[8, 8] wq"))).Message,
        "A node has no first output");

    [TestMethod]
    public void WithoutSlots_OfAModelWhoseLastLayerNothingReads_KeepsTheLayer()
    {
        string text = TokenIds.With("y = Add (x, o)", "y = Identity (x)");
        OnnxModel model = OnnxText.Load(text);
        Inject(model, SlotLayout.OneToken);
        Assert.AreEqual(1, RecognisedModel.Of(SlotLayouts.WithoutSlots(model)).RequireSites().Count);
    }

    [TestMethod]
    public void WithoutSlots_OfAGraphThatReturnsWhatThePatchMadeOfItsInput_IsRefused()
    {
        OnnxModel model = OnnxText.Load(TokenIds.With("(float[b, s, 8] y)", "(float[b, s, 8] y, float[b, s, 100] logits)").With("y = Add (x, o)", "y = Add (x, o) logits = Neg (y)"));
        Inject(model, SlotLayout.Prefix);
        string ordinary = model.Graph.Find("input_ids")!.Uses.Single(use => use.Node.OpType == "Where").Node.Output.Name;
        OnnxModel damaged = OnnxText.Load(OnnxText.Print(model.ToProto()).With("float[b, s, 8] y,", $"float[b, s, 8] y, int64[b, s] \"{ordinary}\","));
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => SlotLayouts.WithoutSlots(damaged));
        StringAssert.Contains(refusal.What, "changed after patching");
    }

    [TestMethod]
    public void Prefix_WhereTheKeysTakeTheirShapeFromTheValues_EachProjectionKeepsItsOwnSource()
    {
        string text = TokenIds.With("wqkv", "w").With("[8, 24] w =", "[8, 8] w =")
            .With("m = MatMul (x, w)", "q = MatMul (x, w) v = MatMul (x, w) sizes = Shape (v) same = Reshape (x, sizes) k = MatMul (same, w)").With("(m, , ,", "(q, k, v,");
        OnnxModel model = OnnxText.Load(text);
        Inject(model, SlotLayout.Prefix);
        foreach ((string projected, string source) in (ReadOnlySpan<(string, string)>)[("k", "same"), ("v", "x")])
        {
            Assert.AreEqual(source, model.Graph.Find(projected)!.Producer!.Input(0)!.Producer!.Input(2)!.Name);
        }
        RuleTest.AssertSame(OnnxText.Load(text), SlotLayouts.WithoutSlots(model));
    }

    [TestMethod]
    public void Load_OfAnOperatorInTheDomainOfAFunction_IsRefused() => AssertNotImported("node '' (MatMul)", "domain 'local'", TokenIds.With("o = MatMul", "o = local.MatMul") + Function);

    [TestMethod]
    public void Load_OfAFunctionWithAnOperatorThatNothingImports_IsRefused() =>
        AssertNotImported("function 'Same', node '' (Identity)", "domain 'stranger'", TokenIds.With("y = Add (x, o)", "z = Add (x, o) y = local.Same (z)") + Function.With("Identity", "stranger.Identity"));

    [TestMethod]
    public void NodesUnderOurOwnNames_AreRefused() => AssertRefused("patched already", "'aligner.mine'", Decoders.Separate.With("[residual]", "[\"aligner.mine\"]"), SlotLayout.OneToken);

    private static void Inject(OnnxModel model, SlotLayout layout) => SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), layout);

    /// <summary>What a model imports is checked where files are read.</summary>
    private static void AssertNotImported(string where, string found, string text)
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string file = Path.Combine(folder, "model.onnx");
            File.WriteAllBytes(file, OnnxText.Parse(text).ToByteArray());
            ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => ModelLoader.Load(file));
            Assert.AreEqual(("The model uses operators that it does not import", found), (refusal.What, refusal.Found));
            StringAssert.Contains(refusal.Message, where);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void AssertRefused(string what, string found, string text, SlotLayout layout)
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => Inject(OnnxText.Load(text), layout));
        StringAssert.Contains(refusal.What, what);
        StringAssert.Contains(refusal.Found, found);
    }
}
