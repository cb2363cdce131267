using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>
/// The branch of the method in the gradient graph, before and after, on a layer of two query heads that share one key/value head of 4: gate * softmax(scale q k^T) v with
/// k and v the layer's projections of the tokens.
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

    private static Action<OnnxModel> Attach(int tokens) => model =>
    {
        OnnxGraph graph = model.Graph;
        AttentionSite site = RecognisedModel.Of(model).RequireSites().Single();
        LoweredSite lowered = new(site, graph.Find("q")!, graph.Find("a")!, HeadLayout.SequenceMajor);
        TrainingInjection.Apply(graph, [lowered], new SequenceFacts(graph, graph.Find("input_ids")!, graph.Find("attention_mask")!), startLayer: 0, tokens);
    };
}
