using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition.Decomposed;

/// <summary>Shapes of products, look-ups and ONNX Runtime's operators; and the numbers that stand in for sizes which a graph leaves open: batch 2, sequence 3, cached tokens 5, and for every other size a prime of its own.</summary>
[TestClass]
public sealed class InferredShapeTests
{
    [TestMethod]
    // Projections: [.., input size] times a frozen matrix.
    [DataRow("y = MatMul (x, w)", "2,3,4")]
    [DataRow("y = MatMul (row, w)", "1,4")]
    [DataRow("y = com.microsoft.FusedMatMul <transB = 1> (x, wt)", "2,3,4")]
    [DataRow("t = Transpose <perm = [1, 0]> (wt) y = MatMul (x, t)", "2,3,4")]
    [DataRow("y = com.microsoft.DynamicQuantizeMatMul (x, wq, scale)", null)]
    [DataRow("y = com.microsoft.MatMulNBits <K = 8, N = 6, bits = 4, block_size = 16> (x, blocks, scales)", "2,3,6")]
    [DataRow("y = Gemm (rows, w)", "7,4")]
    [DataRow("y = Gemm <transB = 1> (rows, wt)", "7,4")]
    [DataRow("y = Gemm <transA = 1> (columns, w)", "7,4")]
    [DataRow("y = Gemm (rows, stack)", null)]
    // Where nothing says what precedes, it is the hidden state: [2, 3, d], or its six rows.
    [DataRow("n = NonZero (x) y = MatMul (n, w)", "2,3,4")]
    [DataRow("n = NonZero (x) y = com.microsoft.MatMulNBits <K = 8, N = 6, bits = 4, block_size = 16> (n, blocks, scales)", "2,3,6")]
    [DataRow("n = NonZero (x) y = Gemm (n, w)", "6,4")]
    // Products of activations; dimensions of one are repeated.
    [DataRow("y = MatMul (stack, other)", "2,5,3,4")]
    [DataRow("y = MatMul (single, other)", "5,3,4")]
    [DataRow("y = MatMul (x, other)", null)]
    [DataRow("y = MatMul (other, x)", null)]
    [DataRow("y = MatMul (row, other)", "5,1,4")]
    [DataRow("y = MatMul (vector, other)", null)]
    [DataRow("y = MatMul (other, vector)", null)]
    [DataRow("n = NonZero (x) y = MatMul (n, x)", null)]
    [DataRow("n = NonZero (x) y = MatMul (x, n)", null)]
    [DataRow("y = com.microsoft.FusedMatMul <transA = 1> (columns, rowsT)", "7,7")]
    [DataRow("y = com.microsoft.FusedMatMul <transB = 1> (rows, rows)", "7,7")]
    [DataRow("y = com.microsoft.FusedMatMul <transA = 1, transB = 1> (columns, rows)", "7,7")]
    [DataRow("y = com.microsoft.FusedMatMul <transBatchA = 1> (x, x)", null)]
    [DataRow("y = com.microsoft.FusedMatMul <transBatchB = 1> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,bkd->bqk\"> (x, x)", "2,3,3")]
    [DataRow("y = Einsum <equation = \"bqd, bkd -> bkq\"> (x, x)", "2,3,3")]
    [DataRow("y = Einsum <equation = \"bqd,bkd->qk\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,bkd\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"...qd,...kd->...qk\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,bkd,bkd->bqk\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd->bq\"> (x)", null)]
    [DataRow("y = Einsum <equation = \"bd,bkd->bk\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,kd->bqk\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bbd,bkd->bk\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,bdd->bq\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,bkd->bqkz\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,bkd->bq\"> (x, x)", null)]
    [DataRow("y = Einsum <equation = \"bqd,bkd->bqkd\"> (x, x)", null)]
    // Look-ups.
    [DataRow("y = Gather (table, ids)", "2,3,8")]
    [DataRow("y = Gather <axis = 1> (table, ids)", "100,2,3")]
    [DataRow("n = NonZero (x) y = Gather (n, ids)", null)]
    [DataRow("n = NonZero (x) y = Gather (table, n)", null)]
    [DataRow("y = com.microsoft.GatherBlockQuantized <block_size = 32> (packed, ids, blockScales)", "2,3,64")]
    [DataRow("y = com.microsoft.GatherBlockQuantized (packed, ids, blockScales)", "2,3,256")]
    [DataRow("y = com.microsoft.GatherBlockQuantized <block_size = 32> (packed, ids, vector)", null)]
    // Operators that keep the shape.
    [DataRow("y = DequantizeLinear (wq, scale)", "8,4")]
    [DataRow("y = com.microsoft.FastGelu (x)", "2,3,8")]
    [DataRow("y = com.microsoft.SimplifiedLayerNormalization (x, vector)", "2,3,8")]
    [DataRow("y = com.microsoft.RotaryEmbedding (x, ids, rows, rows)", "2,3,8")]
    [DataRow("y = com.microsoft.SkipSimplifiedLayerNormalization (x, x, vector)", "2,3,8")]
    [DataRow("a, b, c, y = com.microsoft.SkipSimplifiedLayerNormalization (x, x, vector)", "2,3,8")]
    [DataRow("a, y = com.microsoft.SkipSimplifiedLayerNormalization (x, x, vector)", null)]
    [DataRow("y = com.microsoft.Mystery (x)", null)]
    public void Shapes_FollowFromTheOperators(string nodes, string? expected) => Assert.AreEqual(expected, ShapeOf("""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            g (float[2, 3, 8] x, int64[2, 3] ids, float[1, 8] row, float[1, 3, 8] single, float[7, 8] rows, float[8, 7] columns, float[8, 7] rowsT, float[2, 1, 3, 8] stack, float[5, 8, 4] other, float[8] vector) => (float[] y)
                <float[8, 4] w = ["location": "w"], float[4, 8] wt = ["location": "wt"], int8[8, 4] wq = ["location": "wq"], float scale = {1}, uint8[6, 1, 8] blocks = ["location": "e"], float[6, 1] scales = ["location": "s"],
                 float[100, 8] table = ["location": "t"], uint8[100, 32] packed = ["location": "p"], float[100, 2] blockScales = ["location": "b"]>
            { NODES }
            """.With("NODES", nodes)));

    [TestMethod]
    [DataRow("int64[b, s] y", "2,3", DisplayName = "ids")]
    [DataRow("float[b, s, 8] y", "2,3,8", DisplayName = "embeddings")]
    [DataRow("float[b, 4, past, 16] y, int64[b, s] ids", "2,4,5,16", DisplayName = "a cache")]
    [DataRow("int64[b, s] ids, int64[b, all] y, float[b, 4, past, 16] cache", "2,8", DisplayName = "a mask over cached and new tokens")]
    [DataRow("int64[b, s] ids, int64[b, all] y", "2,3", DisplayName = "a mask of a decoder without a cache")]
    [DataRow("int64[b, s] ids, int32[b, all] y, float[b, 4, past, 16] cache", "2,8", DisplayName = "a mask of 32 bits")]
    [DataRow("int64[b, s] ids, int64[\"past + s\"] y, float[b, 4, past, 16] cache", "8", DisplayName = "a sum of sizes")]
    [DataRow("int64[b, s] ids, float[\"past + 1\"] y, float[b, 4, past, 16] cache", "8", DisplayName = "one new token, which stands for the sequence")]
    [DataRow("float[\"past + 1\"] y, float[b, 4, past, 16] cache", "6", DisplayName = "one more token where there is no sequence")]
    [DataRow("int64[b, s] ids, float[\"past + 2\"] y, float[b, 4, past, 16] cache", "7", DisplayName = "two more tokens")]
    [DataRow("int64[b, s] ids, float[other, another, other] y", "13,17,13", DisplayName = "sizes of their own")]
    [DataRow("int64[b, s] ids, float[?, 4] y", "13,4", DisplayName = "a size without a name")]
    [DataRow("int64[b, s] ids, float[] y", null, DisplayName = "no shape")]
    [DataRow("float[b, s] scores, int64[n, m] y", "2,3", DisplayName = "ids behind another matrix")]
    [DataRow("int64[n, m, k] indices, float[b, s, 8] y", "2,3,8", DisplayName = "embeddings behind indices")]
    public void SizesThatAGraphLeavesOpen_AreStoodInFor(string inputs, string? expected) =>
        Assert.AreEqual(expected, ShapeOf($"<ir_version: 10, opset_import: [\"\" : 21]> g ({inputs}) => (float[] out) {{ out = Identity (y) }}"));

    // A mask comes first, and has the sizes of ids: those that a table is looked up with are the tokens.
    [TestMethod]
    [DataRow("h = Gather (table, ids)")]
    [DataRow("narrow = Cast <to = 6> (ids) h = Gather (table, narrow)")]
    public void Tokens_AreWhatATableIsLookedUpWith(string lookUp) => Assert.AreEqual("2,3", ShapeOf($$"""
        <ir_version: 10, opset_import: ["" : 21]>
        g (int64[b, all] mask, int64[b, s] ids, float[b, 4, past, 16] cache) => (float[] h) <float[9, 8] table = ["location": "t"]> { y = Identity (ids) {{lookUp}} }
        """));

    /// <summary>A shape that is declared stands where the operator says nothing, if all its sizes have numbers or symbols.</summary>
    [TestMethod]
    [DataRow("float[b, s, 9] y", "2,3,9")]
    [DataRow("float[b, ?, 9] y", null)]
    [DataRow("float[] y", null)]
    public void DeclaredShapes_StandIn(string output, string? expected) =>
        Assert.AreEqual(expected, ShapeOf($"<ir_version: 10, opset_import: [\"\" : 21, \"com.microsoft\" : 1]> g (int64[b, s] ids) => ({output}) {{ y = com.microsoft.Mystery (ids) }}"));

    private static string? ShapeOf(string text)
    {
        OnnxModel model = OnnxText.Load(text);
        return PartialEvaluation.Of(model).ShapeOf(model.Graph.Find("y")) is { } shape ? string.Join(',', shape) : null;
    }
}
