using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>
/// The branch of the method in the gradient graph, before and after: gate * softmax(scale q k^T) v with k and v the layer's projections of the tokens. Layers where query heads
/// share key/value heads, and where they do not.
/// </summary>
[TestClass]
public sealed class TrainingInjectionRuleTests
{
    private const string Before = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x) => (float[b, s, 8] y)
            <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"]>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, scale = 0.25> (q, k, v)
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    /// <summary>Two layers of four query heads over two key/value heads of 4.</summary>
    private const string TwoLayers = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x) => (float[b, s, 8] z)
            <float[8, 16] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[16, 8] wo = ["location": "wo"]>
        {
            q1 = MatMul (x, wq)
            k1 = MatMul (x, wk)
            v1 = MatMul (x, wv)
            a1 = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2> (q1, k1, v1)
            o1 = MatMul (a1, wo)
            y = Add (x, o1)
            q2 = MatMul (y, wq)
            k2 = MatMul (y, wk)
            v2 = MatMul (y, wv)
            a2 = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2> (q2, k2, v2)
            o2 = MatMul (a2, wo)
            z = Add (y, o2)
        }
        """;

    /// <summary>Two heads of 4 that attention takes and gives as a dimension of their own; queries are halved before it.</summary>
    private static readonly string HeadsApart = """
        <ir_version: 10, opset_import: ["" : 23]>
        g (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x) => (float[b, s, 8] y)
            <float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"], float factor = {0.5}>
        {
            q = MatMul (x, wq)
            half = Mul (q, factor)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            qh = Reshape (half, {0, 0, 2, 4})
            qt = Transpose <perm = [0, 2, 1, 3]> (qh)
            kh = Reshape (k, {0, 0, 2, 4})
            kt = Transpose <perm = [0, 2, 1, 3]> (kh)
            vh = Reshape (v, {0, 0, 2, 4})
            vt = Transpose <perm = [0, 2, 1, 3]> (vh)
            a = Attention <is_causal = 1, scale = 0.5> (qt, kt, vt)
            back = Transpose <perm = [0, 2, 1, 3]> (a)
            joined = Reshape (back, {0, 0, 8})
            o = MatMul (joined, wo)
            y = Add (x, o)
        }
        """.WithLists();

    /// <summary>softmax(0.5 half k^T) (gate v) of three tokens, [2, b * s, 4].</summary>
    private const string MixedByHead = """
        values = MatMul ("aligner.tokens", wv)
        values3 = Reshape (values, {3, 2, 4})
        values_by_head = Transpose <perm = [1, 0, 2]> (values3)
        values_of_head = Reshape (values_by_head, {2, -1})
        gate = Reshape ("aligner.gates", {2, 1})
        gated = Mul (values_of_head, gate)
        token_values = Reshape (gated, {2, 3, 4})
        keys = MatMul ("aligner.tokens", wk)
        keys3 = Reshape (keys, {3, 2, 4})
        keys_by_head = Transpose <perm = [1, 0, 2]> (keys3)
        keys_of_head = Reshape (keys_by_head, {2, -1})
        token_keys = Reshape (keys_of_head, {2, 3, 4})
        query_heads = Reshape (half, {-1, 2, 4})
        queries = Transpose <perm = [1, 0, 2]> (query_heads)
        scores = com.microsoft.FusedMatMul <transB = 1, alpha = 0.5> (queries, token_keys)
        probabilities = Softmax (scores)
        mixed = MatMul (probabilities, token_values)
        """;

    // Values [1, 4] of the one key/value head, once for each of the two query heads that share it (the column of ones), times the gates [2, 1].
    [TestMethod]
    public void OneToken_AddsItsGatedValueWhateverTheQuery() => RuleTest.Rewrites(Before, Attach(1), Before
        .With("float[b, s, 8] x)", "float[b, s, 8] x, float[1, 8] \"aligner.tokens\", float[1, 2] \"aligner.gates\")")
        .With("<float[8, 8] wq", "<int64[3] heads = {1, 1, 4}, int64[2] row = {1, -1}, float[2, 1] shared = {1, 1}, int64[2] column = {2, 1}, int64[3] flat = {1, 1, 8}, float[8, 8] wq")
        .With("o = MatMul (a, wo)", """
            values = MatMul ("aligner.tokens", wv)
            values3 = Reshape (values, heads)
            by_group = Transpose <perm = [1, 0, 2]> (values3)
            of_group = Reshape (by_group, row)
            of_head = MatMul (shared, of_group)
            gate = Reshape ("aligner.gates", column)
            gated = Mul (of_head, gate)
            branch = Reshape (gated, flat)
            sum = Add (a, branch)
            o = MatMul (sum, wo)
            """));

    // With three tokens: scores [2, b * s, 3] = scale q k^T, mixed [2, b * s, 4] = softmax(scores) (gate v).
    [TestMethod]
    public void ManyTokens_AreAttendedToInASoftmaxOfTheirOwn() => RuleTest.Rewrites(Before, Attach(3), Before
        .With("float[b, s, 8] x)", "float[b, s, 8] x, float[3, 8] \"aligner.tokens\", float[1, 2] \"aligner.gates\")")
        .With("<float[8, 8] wq", """
            <int64[3] heads = {3, 1, 4}, int64[2] row = {1, -1}, float[2, 1] shared = {1, 1}, int64[2] column = {2, 1}, int64[3] by_head = {2, 3, 4}, int64[3] rows = {-1, 2, 4}, int64[1] eight = {8},
             float[8, 8] wq
            """)
        .With("o = MatMul (a, wo)", """
            values = MatMul ("aligner.tokens", wv)
            values3 = Reshape (values, heads)
            values_by_group = Transpose <perm = [1, 0, 2]> (values3)
            values_of_group = Reshape (values_by_group, row)
            values_of_head = MatMul (shared, values_of_group)
            gate = Reshape ("aligner.gates", column)
            gated = Mul (values_of_head, gate)
            v3 = Reshape (gated, by_head)
            keys = MatMul ("aligner.tokens", wk)
            keys3 = Reshape (keys, heads)
            keys_by_group = Transpose <perm = [1, 0, 2]> (keys3)
            keys_of_group = Reshape (keys_by_group, row)
            keys_of_head = MatMul (shared, keys_of_group)
            k3 = Reshape (keys_of_head, by_head)
            q3 = Reshape (q, rows)
            queries = Transpose <perm = [1, 0, 2]> (q3)
            scores = com.microsoft.FusedMatMul <transB = 1, alpha = 0.25> (queries, k3)
            probabilities = Softmax (scores)
            mixed = MatMul (probabilities, v3)
            mixed_t = Transpose <perm = [1, 0, 2]> (mixed)
            sizes = Shape (input_ids)
            shape = Concat <axis = 0> (sizes, eight)
            branch = Reshape (mixed_t, shape)
            sum = Add (a, branch)
            o = MatMul (sum, wo)
            """));

    // Query heads 0 and 1 read key/value head 0, heads 2 and 3 head 1: the rows of the matrix of ones. Row l of the gates belongs to layer l.
    [TestMethod]
    public void LayersOfSeveralGroups_EachAddTheirOwnGatedValues() => RuleTest.Rewrites(TwoLayers, model => Attach(model, 1, HeadLayout.SequenceMajor, ("q1", "a1"), ("q2", "a2")), TwoLayers
        .With("float[b, s, 8] x)", "float[b, s, 8] x, float[1, 8] \"aligner.tokens\", float[2, 4] \"aligner.gates\")")
        .With("float[8, 16] wq", "float[4, 2] shared = {1, 0, 1, 0, 0, 1, 0, 1}, float[8, 16] wq")
        .With("o1 = MatMul (a1, wo)", $"gate1, gate2 = Split <axis = 0> (\"aligner.gates\", {{1, 1}}) {OfLayer(1)} o1 = MatMul (sum1, wo)")
        .With("o2 = MatMul (a2, wo)", $"{OfLayer(2)} o2 = MatMul (sum2, wo)").WithLists());

    // As many key/value heads as query heads: nothing is repeated. Scores are scaled by 0.25 in all, of which the queries carry 0.5.
    [TestMethod]
    public void HeadsOfTheirOwn_AreNotRepeated_AndScaledQueriesNotScaledAgain() => RuleTest.Rewrites(HeadsApart, model => Attach(model, 3, HeadLayout.SequenceMajor, ("half", "joined")), HeadsApart
        .With("float[b, s, 8] x)", "float[b, s, 8] x, float[3, 8] \"aligner.tokens\", float[1, 2] \"aligner.gates\")")
        .With("o = MatMul (joined, wo)", $$"""
            {{MixedByHead}}
            mixed_t = Transpose <perm = [1, 0, 2]> (mixed)
            sizes = Shape (input_ids)
            shape = Concat <axis = 0> (sizes, {8})
            branch = Reshape (mixed_t, shape)
            sum = Add (joined, branch)
            o = MatMul (sum, wo)
            """).WithLists());

    // [2, b * s, 4] -> [2, b, s, 4] -> [b, 2, s, 4].
    [TestMethod]
    public void WhereAttentionGivesHeadsApart_ManyTokensAreAddedToEachHead() => RuleTest.Rewrites(HeadsApart, model => Attach(model, 3, HeadLayout.HeadMajor, ("half", "a")), HeadsApart
        .With("float[b, s, 8] x)", "float[b, s, 8] x, float[3, 8] \"aligner.tokens\", float[1, 2] \"aligner.gates\")")
        .With("float[8, 8] wq", "int64 zero = {0}, int64 one = {1}, float[8, 8] wq")
        .With("back = Transpose <perm = [0, 2, 1, 3]> (a)", $$"""
            {{MixedByHead}}
            sizes = Shape (input_ids)
            length = Gather (sizes, one)
            places = Range (zero, length, one)
            of_key = Unsqueeze (attention_mask, {1})
            of_query = Unsqueeze (attention_mask, {2})
            same = Equal (of_key, of_query)
            same_number = Cast <to = 6> (same)
            first = ArgMax <axis = -1, keepdims = 0> (same_number)
            positions = Sub (places, first)
            of_positions = Shape (positions)
            shape = Concat <axis = 0> ({2}, of_positions, {4})
            mixed4 = Reshape (mixed, shape)
            branch = Transpose <perm = [1, 0, 2, 3]> (mixed4)
            sum = Add (a, branch)
            back = Transpose <perm = [0, 2, 1, 3]> (sum)
            """).WithLists());

    [TestMethod]
    public void WhereAttentionGivesHeadsApart_OneTokenIsAddedToEachHead() => RuleTest.Rewrites(HeadsApart, model => Attach(model, 1, HeadLayout.HeadMajor, ("half", "a")), HeadsApart
        .With("float[b, s, 8] x)", "float[b, s, 8] x, float[1, 8] \"aligner.tokens\", float[1, 2] \"aligner.gates\")")
        .With("back = Transpose <perm = [0, 2, 1, 3]> (a)", """
            values = MatMul ("aligner.tokens", wv)
            values3 = Reshape (values, {1, 2, 4})
            by_head = Transpose <perm = [1, 0, 2]> (values3)
            of_head = Reshape (by_head, {2, -1})
            gate = Reshape ("aligner.gates", {2, 1})
            gated = Mul (of_head, gate)
            branch = Reshape (gated, {1, 2, 1, 4})
            sum = Add (a, branch)
            back = Transpose <perm = [0, 2, 1, 3]> (sum)
            """).WithLists());

    // Differentiation sums over the axes along which the branch is repeated, which it reads from this shape.
    [TestMethod]
    [DataRow(HeadLayout.SequenceMajor, "joined", new long[] { 1, 1, 8 })]
    [DataRow(HeadLayout.HeadMajor, "a", new long[] { 1, 2, 1, 4 })]
    public void OneToken_IsDeclaredToBeRepeatedAlongTheSequence(HeadLayout layout, string attended, long[] shape)
    {
        OnnxModel model = OnnxText.Load(HeadsApart);
        Attach(model, 1, layout, ("half", attended));
        Value branch = model.Graph.Nodes.Single(node => node.Is("Add") && node.Input(0)!.Name == attended).Input(1)!;
        CollectionAssert.AreEqual(shape, branch.Type!.TensorType.Shape.Dim.Select(dimension => dimension.DimValue).ToArray());
    }

    /// <summary>gate (ones v) of one layer, with v [1, 8] in two heads of 4.</summary>
    private static string OfLayer(int layer) => $$"""
        values{{layer}} = MatMul ("aligner.tokens", wv)
        heads{{layer}} = Reshape (values{{layer}}, {1, 2, 4})
        by_group{{layer}} = Transpose <perm = [1, 0, 2]> (heads{{layer}})
        of_group{{layer}} = Reshape (by_group{{layer}}, {2, -1})
        of_head{{layer}} = MatMul (shared, of_group{{layer}})
        column{{layer}} = Reshape (gate{{layer}}, {4, 1})
        gated{{layer}} = Mul (of_head{{layer}}, column{{layer}})
        branch{{layer}} = Reshape (gated{{layer}}, {1, 1, 16})
        sum{{layer}} = Add (a{{layer}}, branch{{layer}})
        """;

    private static Action<OnnxModel> Attach(int tokens) => model => Attach(model, tokens, HeadLayout.SequenceMajor, ("q", "a"));

    private static void Attach(OnnxModel model, int tokens, HeadLayout layout, params (string Query, string Attended)[] layers)
    {
        OnnxGraph graph = model.Graph;
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        LoweredSite[] lowered = [.. sites.Zip(layers, (site, layer) => new LoweredSite(site, graph.Find(layer.Query)!, graph.Find(layer.Attended)!, layout))];
        TrainingInjection.Apply(graph, lowered, new SequenceFacts(graph, graph.Find("input_ids")!, graph.Find("attention_mask")!), startLayer: 0, tokens);
    }
}
