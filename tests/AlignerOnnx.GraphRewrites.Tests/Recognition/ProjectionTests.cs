using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Recognition.Projections;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>Which values are projections y = factor * x W + bias (+ LoRA), however the graph writes them, and why others are none. x has 8 elements, y 4.</summary>
[TestClass]
public sealed class ProjectionTests
{
    [TestMethod]
    [DataRow("[p] y = MatMul (x, w)", "MatMul Float", 1f, null)]
    [DataRow("[p] m = MatMul (x, w) y = Add (m, bias)", "MatMul Float", 1f, "bias")]
    [DataRow("[p] m = MatMul (x, w) y = Add (bias, m)", "MatMul Float", 1f, "bias")]
    [DataRow("[p] m = MatMul (x, w) y = Identity (m)", "MatMul Float", 1f, null)]
    [DataRow("[p] y = com.microsoft.FusedMatMul <alpha = 0.5> (x, w)", "FusedMatMul Float", 0.5f, null)]
    [DataRow("[p] y = com.microsoft.FusedMatMul <transB = 1> (x, wt)", "FusedMatMul Float", 1f, null)]
    [DataRow("[p] y = MatMul <alpha = 0.5, transA = 1> (x, w)", "MatMul Float", 1f, null)] // MatMul has no attributes: they mean nothing
    [DataRow("[p] y = Gemm (rows, w)", "Gemm Float", 1f, null)]
    [DataRow("[p] y = Gemm (rows, w, bias)", "Gemm Float", 1f, "bias")]
    [DataRow("[p] y = Gemm <transB = 1, alpha = 0.5> (rows, wt, bias)", "Gemm Float", 0.5f, "bias")]
    [DataRow("[p] y = Gemm <beta = 0.0> (rows, w, bias)", "Gemm Float", 1f, null)]
    [DataRow("[p] y = Gemm <beta = 0.0> (rows, w, other)", "Gemm Float", 1f, null)]
    [DataRow("[p] m = Gemm (rows, w) y = Reshape (m, {2, -1, 4})", "Gemm Float", 1f, null)]
    [DataRow("[p] m = Gemm (rows, w) y = Reshape (m, {2, 3, -1})", "Gemm Float", 1f, null)]
    [DataRow("[p] m = Gemm (rows, w) s = Concat <axis = 0> (size, size, {4}) y = Reshape (m, s)", "Gemm Float", 1f, null)]
    [DataRow("[p] m = Gemm (rows, w) s = Concat <axis = 0> (size, size, {-1}) y = Reshape (m, s)", "Gemm Float", 1f, null)]
    [DataRow("[p] m = Gemm (rows, w) r = Reshape (m, {2, 3, 4}) y = Add (r, bias)", "Gemm Float", 1f, "bias")]
    [DataRow("[p] y = com.microsoft.MatMulNBits <K = 8, N = 4, bits = 4, block_size = 16> (x, blocks, scales)", "MatMulNBits 4 bit", 1f, null)]
    [DataRow("[p] y = com.microsoft.MatMulNBits <K = 8, N = 4, bits = 4, block_size = 16> (x, blocks, scales, , , bias)", "MatMulNBits 4 bit", 1f, "bias")]
    [DataRow("[p] y = com.microsoft.DynamicQuantizeMatMul (x, w8, scale)", "DynamicQuantizeMatMul Int8 with scales", 1f, null)]
    [DataRow("[p] y = com.microsoft.DynamicQuantizeMatMul (x, w8, scale, , bias)", "DynamicQuantizeMatMul Int8 with scales", 1f, "bias")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) [p] y = com.microsoft.MatMulIntegerToFloat (r, w8, rs, scale, rz)", "MatMulIntegerToFloat Int8 with scales", 1f, null)]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) [p] y = com.microsoft.MatMulIntegerToFloat (r, w8, rs, scale, rz, zero, bias)", "MatMulIntegerToFloat Int8 with scales", 1f, "bias")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) i = MatMulInteger (r, w8, rz) f = Cast <to = 1> (i) both = Mul (rs, scale) [p] y = Mul (f, both)", "Mul Int8 with scales", 1f, null)]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) i = MatMulInteger (r, w8, rz, zero) f = Cast <to = 1> (i) both = Mul (scale, rs) [p] y = Mul (both, f)", "Mul Int8 with scales", 1f, null)]
    public void Projections_AreReadAsTheyAreWritten(string nodes, string kind, float factor, string? bias)
    {
        Projection projection = Found(nodes);
        Assert.AreEqual((8L, 4L, kind, factor, bias), (projection.InputSize, projection.OutputSize, projection.Kind, projection.Factor, projection.Bias?.Name));
        Assert.AreEqual(("p", "y"), (projection.Node.Name, projection.Result.Name));
        Assert.AreEqual(kind.Contains("Gemm", StringComparison.Ordinal) ? "rows" : "x", projection.Source.Name);
        Assert.AreEqual(kind.Contains("Int8", StringComparison.Ordinal), projection.RoundsActivations);
    }

    [TestMethod]
    [DataRow("y = Identity (x)", "the value is not the output of a projection")]
    [DataRow("y = Sigmoid (x)", "Sigmoid is not a projection (MatMul, Gemm, MatMulNBits)")]
    [DataRow("y = MatMul (, w)", "the node has no first input")]
    [DataRow(", y = MatMul (x, w)", "the node has no first output")]
    [DataRow("y = MatMul (x, x)", "the weight is not a constant")]
    [DataRow("y = com.microsoft.MatMul (x, w)", "MatMul is not a projection (MatMul, Gemm, MatMulNBits)")]
    [DataRow("y = com.microsoft.FusedMatMul <transA = 1> (x, w)", "the product transposes its first factor")]
    [DataRow("y = com.microsoft.FusedMatMul <transBatchA = 1> (x, w)", "the product transposes its first factor")]
    [DataRow("y = com.microsoft.FusedMatMul <transBatchB = 1> (x, w)", "the product transposes its first factor")]
    [DataRow("y = Gemm <transA = 1> (rows, w)", "the product transposes its first factor")]
    [DataRow("y = Gemm (rows, rows)", "the weight is not a constant")]
    [DataRow("y = Gemm (rows, w, other)", "the bias of the Gemm is not a constant vector of 4 elements with beta 1")]
    [DataRow("y = Gemm (rows, w, rows)", "the bias of the Gemm is not a constant vector of 4 elements with beta 1")]
    [DataRow("y = Gemm <beta = 2.0> (rows, w, bias)", "the bias of the Gemm is not a constant vector of 4 elements with beta 1")]
    [DataRow("y = com.microsoft.MatMulNBits <K = 8, N = 4, bits = 4, block_size = 16> (x, blocks, scales, , , x)", "the bias of the MatMulNBits is not a constant vector of 4 elements")]
    [DataRow("y = com.microsoft.DynamicQuantizeMatMul (x, w8, scale, , other)", "the bias of the product is not a constant vector")]
    [DataRow("y = com.microsoft.DynamicQuantizeMatMul (x, x, scale)", "the quantised weight and its scales are not constants")]
    [DataRow("y = com.microsoft.MatMulIntegerToFloat (x, w8, scale, scale)", "the activations of the integer product are not rounded by DynamicQuantizeLinear")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear () y = com.microsoft.MatMulIntegerToFloat (r, w8, rs, scale, rz)", "the activations of the integer product are not rounded by DynamicQuantizeLinear")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) y = com.microsoft.MatMulIntegerToFloat (r, w8, rs, rs, rz)", "the quantised weight and its scales are not constants")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) y = com.microsoft.MatMulIntegerToFloat (r, w8, rs, scale, rz, zero, other)", "the bias of the product is not a constant vector")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) i = MatMulInteger (r, w8, rz) f = Cast <to = 1> (i) y = Mul (f, rs)", "the quantised weight and its scales are not constants")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) i = MatMulInteger (r, w8, rz) f = Cast <to = 1> (i) y = Mul (f, f)", "Mul is not a projection (MatMul, Gemm, MatMulNBits)")]
    [DataRow("r, rs, rz = DynamicQuantizeLinear (x) y = MatMulInteger (r, w8, rz)", "MatMulInteger gives integers of quantised activations; its scales are applied by other nodes")]
    [DataRow("y = QLinearMatMul (x, scale, zero, w8, scale, zero, scale, zero)", "QLinearMatMul gives integers, not activations to which a vector could be added")]
    [DataRow("y = com.microsoft.QGemm (x, scale, zero, w8, scale, zero)", "QGemm gives integers of quantised activations")]
    [DataRow("y = com.microsoft.QMoE (x)", "QMoE is a mixture of experts, not a projection")]
    [DataRow("m = Gemm (rows, w) y = Reshape (m, {2, 3, 2, 2})", "the projection's result is arranged anew")]
    [DataRow("m = Gemm (rows, w) s = Concat <axis = 0> (size, {4}, size) y = Reshape (m, s)", "the projection's result is arranged anew")]
    [DataRow("m = Gemm (rows, w) y = Reshape (m, size)", "the projection's result is arranged anew")]
    [DataRow("m = MatMul (x, w) y = Reshape (m, {0, 0, 4})", "the projection's result is arranged anew")] // heads may have changed places
    [DataRow("y = Reshape (, {0, 4})", "a Reshape of nothing")]
    [DataRow("m = MatMul (x, w) y = Add (m, other)", "the value is a sum, not the output of a projection")]
    [DataRow("m = MatMul (x, w) y = Add (m, m)", "the value is a sum, not the output of a projection")]
    [DataRow("m = MatMul (x, w) n = Add (m, bias) y = Add (n, bias)", "the projection has two biases")]
    [DataRow("y = Add (x, x)", "the value is a sum, not the output of a projection")]
    public void ValuesThatAreNone_SayWhy(string nodes, string reason) => Assert.AreEqual(reason, ProjectionRecogniser.Computing(Y(nodes)).Reason);

    [TestMethod]
    [DataRow("m = MatMul (x, w) low = MatMul (x, down) high = MatMul (low, up) y = Add (m, high)", 1f)]
    [DataRow("m = MatMul (x, w) low = MatMul (x, down) high = MatMul (low, up) y = Add (high, m)", 1f)]
    [DataRow("m = MatMul (x, w) low = MatMul (x, down) high = MatMul (low, up) s = Mul (high, three) y = Add (m, s)", 3f)]
    [DataRow("m = MatMul (x, w) low = MatMul (x, down) s = Mul (three, low) high = MatMul (s, up) t = Mul (two, high) y = Add (m, t)", 6f)]
    [DataRow("m = MatMul (x, w) low = MatMul (x, down) s = Mul (low, three) i = Identity (s) high = MatMul (i, up) t = Mul (high, two) c = Cast <to = 1> (t) y = Add (m, c)", 6f)]
    [DataRow("m = MatMul (x, w) c = Cast <to = 1> (x) low = MatMul (c, down) high = MatMul (low, up) y = Add (m, high)", 1f)]
    public void LoRA_IsReadWithItsFactor(string nodes, float factor)
    {
        Projection projection = Found(nodes);
        Assert.AreEqual((2L, 2L, factor), (projection.Updates.Single().Down.OutputSize, projection.Updates.Single().Up.InputSize, projection.Updates.Single().Factor));
        Assert.AreEqual("MatMul Float + LoRA", projection.Kind);
        Assert.IsNull(projection.Bias);
    }

    [TestMethod]
    public void LoRAs_AddUpWithABias()
    {
        Projection projection = Found("m = MatMul (x, w) low = MatMul (x, down) high = MatMul (low, up) a = Add (m, high) low2 = MatMul (x, down) high2 = MatMul (low2, up) b = Add (a, high2) y = Add (b, bias)");
        Assert.AreEqual((2, "bias"), (projection.Updates.Count, projection.Bias?.Name));
    }

    [TestMethod]
    [DataRow("low = MatMul (x, fed_down) [up] high = MatMul (low, up)", true)]
    [DataRow("low = MatMul (x, down) [up] high = MatMul (low, fed_up)", true)]
    [DataRow("t = Transpose (fed_down) c = Cast <to = 1> (t) low = MatMul (x, c) [up] high = MatMul (low, up)", true)]
    [DataRow("n = Neg (fed_down) low = MatMul (x, n) [up] high = MatMul (low, up)", false)]
    [DataRow("n = Neg (x) low = MatMul (n, fed_down) [up] high = MatMul (low, up)", false)]
    [DataRow("n = Neg (x) low = MatMul (n, down) [up] high = MatMul (low, up)", false)]
    [DataRow("low = MatMul (x, down) n = Sigmoid (low) [up] high = MatMul (n, up)", false)]
    [DataRow("low = MatMul (x, w) [up] high = MatMul (low, up)", false)]
    [DataRow("low = MatMul (x, down) [up] high = MatMul (low, down)", false)]
    [DataRow("low = MatMul (x, down) [up] high = MatMul (, up)", false)]
    [DataRow("low = MatMul (x, down) [up] h = MatMul (low, up) high = Mul (h, fed)", false)]
    public void LoRAThatCallersFeed_IsNamed(string branch, bool isOne)
    {
        Match<Projection> match = ProjectionRecogniser.Computing(Y($"m = MatMul (x, w) {branch} y = Add (m, high)"));
        Assert.AreEqual(isOne ? "up" : null, match.Found?.FedUpdate?.Name);
        Assert.AreEqual(isOne ? null : "the value is a sum, not the output of a projection", match.Reason);
    }

    /// <summary>y is what attention gives; the projection that reads it, behind changes of layout, is named o.</summary>
    [TestMethod]
    [DataRow("[o] z = MatMul (y, square)", "o", "z")]
    [DataRow("r = Reshape (y, {0, 0, 8}) t = Cast <to = 1> (r) [o] z = MatMul (t, square)", "o", "z")]
    [DataRow("s = Shape (y) [o] m = MatMul (y, square) z = Add (m, eight) n = Neg (s)", "o", "z")]
    [DataRow("[o] m = MatMul (y, square) z = Add (m, eight) u = Add (z, x)", "o", "z")]
    [DataRow("[o] z = MatMul (y, square) u = Add (z, eight) v = Neg (z)", "o", "z")]
    [DataRow("[o] m = MatMul (y, square) low = MatMul (y, down) high = MatMul (low, up8) z = Add (m, high)", "o", "z")]
    public void OutputProjections_AreFollowedToTheEndOfTheirBiasesAndLoRAs(string nodes, string node, string end)
    {
        Match<Projection> match = OutputProjection.Reading(Y($"y = Neg (x) {nodes}"));
        Assert.AreEqual((node, end), (match.Found?.Node.Name ?? match.Reason, match.Found?.Result.Name));
    }

    [TestMethod]
    [DataRow("z = Identity (x)", "the attention output does not go into an output projection", "y")]
    [DataRow("t = Reshape (y, {0, 0, 8})", "the attention output does not go into an output projection", "t")]
    [DataRow("[gate] z = Mul (y, x)", "the attention output is multiplied before its projection (a gate): what a token adds would depend on the sequence", "Mul 'gate'")]
    [DataRow("[sum] z = Sub (y, x)", "the attention output is combined with another value before its projection", "Sub 'sum'")]
    [DataRow("[sum] z = Concat <axis = 0> (y, x)", "the attention output is combined with another value before its projection", "Concat 'sum'")]
    [DataRow("[n] z = LayerNormalization (y, eight)", "the attention output is normalised before its projection: what a token adds would depend on the sequence", "LayerNormalization 'n'")]
    [DataRow("[a] z = MatMul (y, square) [b] u = MatMul (y, square)", "the attention output goes into 2 projections", "y")]
    [DataRow("[a] z = MatMul (y, square) [b] u = Sigmoid (y)", "Sigmoid is not a projection (MatMul, Gemm, MatMulNBits)", "Sigmoid 'b'")]
    [DataRow("[a] z = MatMul (square, y)", "the attention output is not the first factor of a projection", "MatMul 'a'")]
    public void WhatIsNoOutputProjection_SaysWhy(string nodes, string reason, string culprit)
    {
        Match<Projection> match = OutputProjection.Reading(Y($"y = Neg (x) {nodes}"));
        Assert.AreEqual((reason, culprit), (match.Reason, match.Culprit));
    }

    private static Projection Found(string nodes)
    {
        Match<Projection> match = ProjectionRecogniser.Computing(Y(nodes));
        return match.Found ?? throw new AssertFailedException($"{match.Reason}: {match.Culprit}");
    }

    private static Value Y(string nodes) => OnnxText.Load($$"""
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        g (float[b, s, 8] x, float[n, 8] rows, int64[1] size, float[8, 2] fed_down, float[2, 4] fed_up, float fed) => (float[] out)
            <float[8, 4] w = ["location": "w"], float[4, 8] wt = ["location": "wt"], float[8, 8] square = ["location": "sq"], float[8, 2] down = ["location": "d"], float[2, 4] up = ["location": "u"], float[2, 8] up8 = ["location": "u8"],
             float[4] bias = {1, 1, 1, 1}, float[3] other = {1, 1, 1}, float[8] eight = {1, 1, 1, 1, 1, 1, 1, 1}, float two = {2}, float three = {3}, int8[8, 4] w8 = ["location": "w8"], float scale = {1}, int8 zero = {0},
             uint8[4, 1, 8] blocks = ["location": "e"], float[4] scales = ["location": "s"]>
        { {{nodes}} out = Neg (x) }
        """.WithLists()).Graph.Find("y")!;
}
