using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Lowering;

/// <summary>
/// What ai.onnx Attention does with its mask: numbers are added to the scores; of truth values, true lets a query see a key. Which of the two a mask is follows from the
/// operator that computes it, as inner values need not be declared.
/// </summary>
[TestClass]
public sealed class ScoreBiasTests
{
    private const string Layer = """
        <ir_version: 10, opset_import: ["" : 23]>
        decoder (float[b, s, 8] x, bool[s, s] t, bool[s, s] u, float[s, s] f, float[s, s] g) => (float[b, s, 8] logits)
            <float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             bool[3, 3] triangle = {1, 0, 0, 1, 1, 0, 1, 1, 1}, int64[1] first = {0}, int64[1] second = {1}, int64[2] whole = {0, 0}, int64[3] wide = {1, 1, 1}>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            MASK
            a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, k, v, mask)
            logits = MatMul (a, wo)
        }
        """;

    [TestMethod]
    [DataRow("mask = And (t, u)")]
    [DataRow("mask = Or (t, u)")]
    [DataRow("mask = Not (t)")]
    [DataRow("mask = Xor (t, u)")]
    [DataRow("mask = Equal (f, g)")]
    [DataRow("mask = Less (f, g)")]
    [DataRow("mask = LessOrEqual (f, g)")]
    [DataRow("mask = Greater (f, g)")]
    [DataRow("mask = GreaterOrEqual (f, g)")]
    [DataRow("mask = Cast <to = 9> (f)")]
    [DataRow("l = Less (f, g) mask = Unsqueeze (l, first)")]
    [DataRow("l = Less (f, g) mask = Squeeze (l, first)")]
    [DataRow("l = Less (f, g) mask = Expand (l, wide)")]
    [DataRow("l = Less (f, g) mask = Reshape (l, whole)")]
    [DataRow("l = Less (f, g) mask = Slice (l, first, second, first)")]
    [DataRow("l = Less (f, g) mask = Concat <axis = 0> (l, t)")]
    [DataRow("l = Less (f, g) mask = Identity (l)")]
    [DataRow("l = Less (f, g) mask = Transpose <perm = [1, 0]> (l)")]
    [DataRow("l = Less (f, g) mask = Where (t, l, u)")]
    [DataRow("mask = Identity (triangle)")]
    [DataRow("mask = Unsqueeze (t, first)")]
    public void TruthValues_HideTheKeysWhereTheyAreFalse(string mask)
    {
        (Value bias, Value scores, Value sum) = Add(mask);
        Assert.AreEqual("Where", sum.Producer!.OpType);
        CollectionAssert.AreEqual(new[] { bias, scores }, sum.Producer.Inputs.Take(2).ToArray());
        CollectionAssert.AreEqual(new[] { float.MinValue }, sum.Producer.Input(2)!.Initializer!.ReadSingles());
    }

    [TestMethod]
    [DataRow("mask = Add (f, g)")]
    [DataRow("mask = Cast <to = 1> (t)")]
    [DataRow("l = Add (f, g) mask = Unsqueeze (l, first)")]
    [DataRow("mask = Where (t, f, g)")]
    [DataRow("mask = Identity (f)")]
    public void Numbers_AreAdded(string mask)
    {
        (Value bias, Value scores, Value sum) = Add(mask);
        Assert.AreEqual("Add", sum.Producer!.OpType);
        CollectionAssert.AreEqual(new[] { scores, bias }, sum.Producer.Inputs.ToArray());
    }

    // The caller's mask says what padding is; training has its own.
    [TestMethod]
    public void AMaskThatCallersFeed_IsLeftOut()
    {
        OnnxModel model = OnnxText.Load(Layer.With("MASK", "").With("(q, k, v, mask)", "(q, k, v, f)"));
        Value scores = model.Graph.Find("x")!;
        Assert.AreSame(scores, ScoreBias.Add(new OpEmitter(model.Graph, "test"), scores, RecognisedModel.Of(model).RequireSites().Single()));
    }

    private static (Value Bias, Value Scores, Value Sum) Add(string mask)
    {
        OnnxModel model = OnnxText.Load(Layer.With("MASK", mask));
        Value scores = model.Graph.Find("x")!;
        return (model.Graph.Find("mask")!, scores, ScoreBias.Add(new OpEmitter(model.Graph, "test"), scores, RecognisedModel.Of(model).RequireSites().Single()));
    }
}
