using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>
/// What the branch of tokens takes for queries: those that meet the layer's own keys, normalised and rotated, though the core does that inside. Many-token slots on a layer of
/// hidden size 8, with four query heads of 4 over two key/value heads.
/// </summary>
[TestClass]
public sealed class RotatedQueryRuleTests
{
    private const string Core = "a = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2, scale = 0.25> (q, k, v, , , lengths, total)";

    private const string Before = $$"""
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        decoder (float[b, s, 8] x, int64[b, s] positions, int32[b] lengths, int32 total) => (float[b, s, 8] y)
            <float[8, 16] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[16, 8] wo = ["location": "wo"],
             float[9, 2] cosines = ["location": "c"], float[9, 2] sines = ["location": "s"]>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            {{Core}}
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    /// <summary>Query head h reads key/value head h / 2: heads 0 and 1 make up group 0, heads 2 and 3 group 1.</summary>
    private const string ByGroup = "apart = Reshape (FINAL, {0, 0, 2, 2, 4}) heads_first = Transpose <perm = [0, 2, 3, 1, 4]> (apart) queries = Reshape (heads_first, {0, 0, -1, 4})";

    /// <summary>[b, group, head of the group, s, 4] with heads side by side again.</summary>
    private const string SideBySide = "rows_first = Transpose <perm = [0, 3, 1, 2, 4]> (gated) branch = Reshape (rows_first, {0, 0, 16})";

    [TestMethod]
    public void HeadsThatShareKeys_AreStackedByGroup() => Rewrites(Before, ByGroup.With("FINAL", "q"), SideBySide);

    // The whole scale on scores is 0.5 * 0.25, and the queries that the core reads carry the 0.5 already.
    [TestMethod]
    public void QueriesThatAreScaledAlready_AreNotScaledAgain() => Rewrites(
        Before.With("a = com", "half = Mul (q, factor) a = com").With("(q, k, v,", "(half, k, v,").With("float[8, 16] wq", "float factor = {0.5}, float[8, 16] wq"),
        ByGroup.With("FINAL", "half"), SideBySide);

    [TestMethod]
    [DataRow("float[4] nq = {1, 2, 3, 4}", "of_head = Reshape (q, {0, 0, 4, 4}) normal = SimplifiedLayerNormalization <epsilon = 0.5> (of_head, nq)", DisplayName = "each head")]
    [DataRow("float[16] nq = [\"location\": \"nq\"]", "normal = SimplifiedLayerNormalization <epsilon = 0.5> (q, nq)", DisplayName = "all heads together")]
    public void QueriesThatTheCoreNormalises_AreNormalised(string weight, string normalised) => Rewrites(
        Before.With("scale = 0.25", "scale = 0.25, qk_norm_epsilon = 0.5").With("lengths, total)", "lengths, total, , , , , , , , nq, nk)").With("float[8, 16] wq", $"{weight}, float[4] nk = {{4, 3, 2, 1}}, float[8, 16] wq"),
        $"{normalised} final = Reshape (normal, {{0, 0, 16}}) {ByGroup.With("FINAL", "final")}", SideBySide);

    // Caches of [positions, 2] turn whole heads of 4, caches of [positions, 1] their first two elements.
    [TestMethod]
    [DataRow("do_rotary = 1", 2, "", DisplayName = "whole heads, halves")]
    [DataRow("do_rotary = 1, rotary_interleaved = 1", 2, "<interleaved = 1>", DisplayName = "whole heads, pairs of neighbours")]
    [DataRow("do_rotary = 1", 1, "<num_heads = 4, rotary_embedding_dim = 2>", DisplayName = "a part of each head, halves")]
    [DataRow("do_rotary = 1, rotary_interleaved = 1", 1, "<interleaved = 1, num_heads = 4, rotary_embedding_dim = 2>", DisplayName = "a part of each head, pairs of neighbours")]
    public void QueriesThatTheCoreRotates_AreRotatedAtThePositionsThatItIsGiven(string attributes, int columns, string rotary) => Rewrites(
        Rotating(attributes).With("cosines, sines)", "cosines, sines, positions)").With("float[9, 2] cosines", $"float[9, {columns}] cosines").With("float[9, 2] sines", $"float[9, {columns}] sines"),
        $"final = com.microsoft.RotaryEmbedding {rotary} (q, positions, cosines, sines) {ByGroup.With("FINAL", "final")}", SideBySide);

    // A row has lengths + 1 tokens with those before. So number i of s new ones stands at lengths + 1 - s + i; in a padded prompt, where that is below 0 at first, at i.
    [TestMethod]
    [DataRow("x", "q", DisplayName = "of embeddings")]
    [DataRow("input_ids", "input_ids", DisplayName = "of token ids")]
    public void WithoutPositions_TheyAreCountedFromTheLengths(string input, string counted) => Rewrites(
        input == "x" ? Rotating("do_rotary = 1") : Rotating("do_rotary = 1").With("(float[b, s, 8] x, ", "(int64[b, s] input_ids, ").With("q = MatMul", "x = Gather (table, input_ids) q = MatMul")
            .With("float[8, 16] wq", "float[99, 8] table = [\"location\": \"t\"], float[8, 16] wq"),
        $$"""
            sizes = Shape ({{counted}})
            new = Gather (sizes, one)
            last = Cast <to = 7> (lengths)
            all = Add (last, one)
            earlier = Sub (all, new)
            before = Max (earlier, zero)
            column = Reshape (before, {-1, 1})
            numbers = Range (zero, new, one)
            places = Add (column, numbers)
            final = com.microsoft.RotaryEmbedding (q, places, cosines, sines)
            {{ByGroup.With("FINAL", "final")}}
            """, SideBySide);

    [TestMethod]
    public void PositionsThatAreCounted_AreCountedOnceForAllLayers()
    {
        OnnxModel model = OnnxText.Load(Rotating("do_rotary = 1").With("(float[b, s, 8] y)", "(float[b, s, 8] z)").With("y = Add (x, o)", """
            y = Add (x, o)
            q2 = MatMul (y, wq)
            k2 = MatMul (y, wk)
            v2 = MatMul (y, wv)
            a2 = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2, do_rotary = 1> (q2, k2, v2, , , lengths, total, cosines, sines)
            o2 = MatMul (a2, wo)
            z = Add (y, o2)
            """));
        Inject(model);
        Value[] positions = [.. model.Graph.Nodes.Where(node => node.Is("RotaryEmbedding", Domains.Microsoft)).Select(node => node.Input(1)!)];
        Assert.HasCount(2, positions);
        Assert.AreSame(positions[0], positions[1]);
    }

    // [b, 4, s, 4] is two groups of two heads as it is, and what attention gives is arranged likewise.
    [TestMethod]
    public void QueriesWithHeadsApart_AreStackedAsTheyAre() => Rewrites(
        Before.With(Core, """
            qh = Reshape (q, four) qt = Transpose <perm = [0, 2, 1, 3]> (qh)
            kh = Reshape (k, two) kt = Transpose <perm = [0, 2, 1, 3]> (kh)
            vh = Reshape (v, two) vt = Transpose <perm = [0, 2, 1, 3]> (vh)
            a = Attention <is_causal = 1, scale = 0.25> (qt, kt, vt)
            back = Transpose <perm = [0, 2, 1, 3]> (a)
            joined = Reshape (back, flat)
            """).With("MatMul (a, wo)", "MatMul (joined, wo)").With("float[8, 16] wq", "int64[4] four = {0, 0, 4, 4}, int64[4] two = {0, 0, 2, 4}, int64[3] flat = {0, 0, 16}, float[8, 16] wq"),
        "queries = Reshape (qt, {0, 2, -1, 4})", "branch = Reshape (gated, {0, 4, -1, 4})", reader: "back = Transpose <perm = [0, 2, 1, 3]> (a)");

    // The bias holds that of the queries in its first 16 elements, then that of the keys and of the values. As many keys as queries: every head is a group.
    [TestMethod]
    public void QueriesToWhichTheCoreAddsABias_HaveIt() => Rewrites(
        Before.With(Core, "a = com.microsoft.MultiHeadAttention <num_heads = 4, unidirectional = 1, scale = 0.25> (q, k, v, bias)")
            .With("float[8, 8] wk", "float[48] bias = [\"location\": \"b\"], float[8, 16] wk").With("float[8, 8] wv", "float[8, 16] wv"),
        $"own = Slice (bias, {{0}}, {{16}}, {{0}}) final = Add (q, own) {ByGroup.With("FINAL", "final").With("{0, 0, 2, 2, 4}", "{0, 0, 4, 1, 4}")}", SideBySide, groups: 4);

    private static string Rotating(string attributes) => Before.With("scale = 0.25", $"scale = 0.25, {attributes}").With("lengths, total)", "lengths, total, cosines, sines)");

    /// <summary>Asserts that slots add softmax(0.25 queries keys^T) values, times the gate of each head, to what attention gives.</summary>
    private static void Rewrites(string before, string queries, string branch, string reader = "o = MatMul (a, wo)", int groups = 2) => RuleTest.Rewrites(before, Inject, before
        .With("int32 total)", $"""
            int32 total, float[aligner_batch, 1, {groups}, aligner_tokens, 4] "aligner.key", float[aligner_batch, 1, {groups}, aligner_tokens, 4] "aligner.value", float[aligner_batch, 1, 4] "aligner.gate")
            """)
        .With("float[8, 16] wq", $$"""
            float[1, 1, {{groups}}, 0, 4] "aligner.key" = {}, float[1, 1, {{groups}}, 0, 4] "aligner.value" = {}, float[1, 1, 4] "aligner.gate" = {-0, -0, -0, -0},
            float scale = {0.25}, int64 zero = {0}, int64 one = {1}, float[8, 16] wq
            """)
        .With(reader, $$"""
            {{queries}}
            keys = Squeeze ("aligner.key", {1})
            keys_t = Transpose <perm = [0, 1, 3, 2]> (keys)
            products = MatMul (queries, keys_t)
            scores = Mul (products, scale)
            probabilities = Softmax (scores)
            values = Squeeze ("aligner.value", {1})
            mixed = MatMul (probabilities, values)
            of_group = Reshape (mixed, {0, {{groups}}, {{4 / groups}}, -1, 4})
            gate = Reshape ("aligner.gate", {0, {{groups}}, {{4 / groups}}, 1, 1})
            gated = Mul (of_group, gate)
            {{branch}}
            sum = Add (a, branch)
            {{reader.With("(a", "(sum")}}
            """).WithLists());

    private static void Inject(OnnxModel model) => SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), SlotLayout.ManyToken);
}
