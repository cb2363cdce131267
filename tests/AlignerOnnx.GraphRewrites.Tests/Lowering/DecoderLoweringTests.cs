using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Tests.Rules;

namespace AlignerOnnx.GraphRewrites.Tests.Lowering;

/// <summary>What lowering does to a decoder as a whole, and which decoders have no lowering.</summary>
[TestClass]
public sealed class DecoderLoweringTests
{
    /// <summary>A layer of hidden size 8 with two heads of 4 around a core.</summary>
    private const string Layer = """
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x, float[s, s] mask, float[2, 9, 2, 4] cache, int32[b] lengths, int32 total) => (float[b, s, 8] logits)
            <float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[8, 24] packed = ["location": "p"], float[8, 16] pair = ["location": "kv"], float[24] bias = ["location": "b"], float[2, 4] slopes = ["location": "sl"]>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            CORE
            o = MatMul (a, wo)
            logits = Add (x, o)
        }
        """;

    private const string Softmax = """
        qh = Reshape (q, {0, 0, 2, 4}) qt = Transpose <perm = [0, 2, 1, 3]> (qh) kh = Reshape (k, {0, 0, 2, 4}) kt = Transpose <perm = [0, 2, 3, 1]> (kh) vh = Reshape (v, {0, 0, 2, 4}) vt = Transpose <perm = [0, 2, 1, 3]> (vh)
        scores = MatMul (qt, kt) masked = Add (scores, mask) p = Softmax (masked) h = MatMul (p, vt) t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, {0, 0, 8})
        """;

    private const string Fused = "a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2> (q, k, v, , , lengths, total)";
    private const string FusedWithABias = "added = Neg (mask) a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2> (q, k, v, , , lengths, total, , , , added)";

    [TestMethod]
    public void OfTheOutputs_OnlyTheLogitsStay()
    {
        OnnxModel model = OnnxText.Load(Decoders.Separate.With("decoder (", "decoder (int64[b, s] input_ids, int64[b, s] attention_mask, ").With("(float[b, s, 8] y", "(float[b, s, 8] logits").With("y = Add", "logits = Add"));
        Assert.HasCount(3, model.Graph.Outputs);
        Lower(model);
        Assert.AreEqual("logits", model.Graph.Outputs.Single().Name);
    }

    // The rules of positions, normalizations, activations and heads each have their own tests; here each has something to do.
    [TestMethod]
    public void WhatIsNotAttention_IsLoweredToo() => RuleTest.Rewrites(
        Around("numbers = Gather (table, position_ids) e = Add (x, numbers) n = RMSNormalization <epsilon = 0.5> (e, w) half = Sigmoid (n) g = Mul (n, half) last = Gather <axis = 1> (g, {-1}) logits = MatMul (last, head)"),
        Lower,
        Around("""
            shape = Shape (input_ids) length = Gather (shape, one) places = Range (zero, length, one)
            of_key = Unsqueeze (attention_mask, {1}) of_query = Unsqueeze (attention_mask, {2}) same = Equal (of_key, of_query) same_number = Cast <to = 6> (same)
            first = ArgMax <axis = -1, keepdims = 0> (same_number) positions = Sub (places, first)
            numbers = Gather (table, positions) e = Add (x, numbers) n = SimplifiedLayerNormalization <epsilon = 0.5> (e, w) g = com.microsoft.QuickGelu <alpha = 1.0> (n) logits = MatMul (g, head)
            """));

    // Three tokens stand before each line, as sequence 1. All sequences see them, and count their positions from 3; the first sequence starts at 0, where the tokens do.
    [TestMethod]
    public void TokensThatLeadEverySequence_AreSeenByAll() => RuleTest.Rewrites(
        LoweringRuleTests.GroupQueryAttention.With("int32 total)", "int32 total, int64[b, t] longer_ids, int64[b, t] longer_mask)"),
        model => DecoderLowering.Apply(model, RecognisedModel.Of(model).RequireSites(), new LeadingTokens(model.Graph.Find("longer_ids")!, model.Graph.Find("longer_mask")!, 3)),
        LoweringRuleTests.GroupQueryAttentionLowered.With("int32 total)", "int32 total, int64[b, t] longer_ids, int64[b, t] longer_mask)").With("int64 i1 = {1}", "int64 i1 = {1}, int64 i3 = {3}")
            .With("Shape (input_ids)", "Shape (longer_ids)").With("Unsqueeze (attention_mask,", "Unsqueeze (longer_mask,")
            .With("positions = Sub (places, first)", "before = Sub (first, i3) start = Max (before, i0) positions = Sub (places, start)")
            .With("allowed = And (same, visible)", "own = And (same, visible) leads = Less (keys_at, i3) allowed = Or (own, leads)"));

    [TestMethod]
    [DataRow(-1L, 1, DisplayName = "the same window")]
    [DataRow(16L, 2, DisplayName = "another window")]
    public void Layers_ShareTheMaskOfTheirWindow(long window, int masks)
    {
        OnnxModel model = OnnxText.Load(Layer.With("CORE", Fused).With("logits = Add (x, o)", $$"""
            y = Add (x, o) q2 = MatMul (y, wq) k2 = MatMul (y, wk) v2 = MatMul (y, wv)
            a2 = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2, local_window_size = {{window}}> (q2, k2, v2, , , lengths, total) o2 = MatMul (a2, wo) logits = Add (y, o2)
            """));
        Lower(model);
        Assert.HasCount(masks, model.Graph.Nodes.Where(node => node.Is("Where")));
    }

    [TestMethod]
    public void TheShapeOfTheSequence_IsComputedOnceForEverySize()
    {
        OnnxModel model = OnnxText.Load(Layer.With("CORE", Fused));
        SequenceFacts sequence = DecoderLowering.Apply(model, RecognisedModel.Of(model).RequireSites()).Sequence;
        Assert.AreSame(sequence.Shape(8), sequence.Shape(8));
        Assert.AreNotSame(sequence.Shape(8), sequence.Shape(16));
    }

    // Masks of our own keep the sequences of a row apart; masks and biases that the graph computes know one sequence a row.
    [TestMethod]
    [DataRow(true, Fused)]
    [DataRow(true, Fused, Fused)]
    [DataRow(false, Softmax)]
    [DataRow(false, FusedWithABias)]
    [DataRow(false, Fused, Softmax)]
    [DataRow(false, FusedWithABias, Fused)]
    public void SeveralSequencesInARow_NeedMasksOfOurOwnInAllLayers(bool expected, params string[] layers) =>
        Assert.AreEqual(expected, DecoderLowering.CanPack([.. layers.Select(core => RuleTest.Site(Layer.With("CORE", core).WithLists()))]));

    [TestMethod]
    [DataRow("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, packed, bias)", "its queries are hidden in the operator")]
    [DataRow("m = MatMul (x, packed) r = Reshape (m, {0, 0, 2, 3, 4}) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (r)", "its queries are hidden in the operator")]
    [DataRow("a, ck, cv = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2> (q, k, v, cache, cache, lengths, lengths, lengths)", "its queries are hidden in the operator")]
    [DataRow("m = MatMul (x, pair) r = Reshape (m, {0, 0, 2, 2, 4}) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, r)", "keys and values of each head stand side by side in one operand")]
    [DataRow("a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2, local_window_size = 0> (q, k, v, , , lengths, total)", "its window of 0 lets no query see a key")]
    public void AttentionWithoutALowering_IsRefused(string core, string reason)
    {
        OnnxModel model = OnnxText.Load(Layer.With("CORE", core).WithLists());
        Assert.AreEqual($"Layer 0 cannot be trained: {reason}", Assert.ThrowsExactly<ModelRefusedException>(() => Lower(model)).What);
    }

    [TestMethod]
    public void SoftmaxAttentionWhoseQueriesNoValueHolds_IsRefused()
    {
        OnnxModel model = OnnxText.Load(Layer.With("CORE", Softmax).WithLists());
        AttentionSite site = RecognisedModel.Of(model).RequireSites().Single() with { QueryOperand = null };
        Assert.AreEqual("Layer 0 cannot be trained: its queries are hidden in the operator", Assert.ThrowsExactly<ModelRefusedException>(() => DecoderLowering.Apply(model, [site])).What);
    }

    private static string Around(string nodes) => $$"""
        <ir_version: 10, opset_import: ["" : 23]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, int64[b, s] position_ids, float[b, s, 8] x) => (float[b, s, 100] logits)
            <float[9, 8] table = ["location": "t"], float[8] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[8, 100] head = ["location": "h"], int64 zero = {0}, int64 one = {1}>
        { {{nodes}} }
        """.WithLists();

    private static void Lower(OnnxModel model) => DecoderLowering.Apply(model, [.. RecognisedModel.Of(model).Cores.Select(core => core.Match.Found!)]);
}
