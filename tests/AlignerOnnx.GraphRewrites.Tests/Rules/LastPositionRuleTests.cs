using AlignerOnnx.GraphRewrites.Decoding;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Where a decoder computes the logits of the last position only.</summary>
[TestClass]
public sealed class LastPositionRuleTests
{
    private const string Head = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (float[b, s, 8] x) => (float[b, s, 32] logits, float[b, s, 8] states)
            <float[8] scale = ["location": "scale"], float[8, 32] head = ["location": "head"], float cap = {30}, uint8[32, 1, 16] q = ["location": "q"], float[32, 1] steps = ["location": "s"], int64[3] same = {0, 0, 8}>
        {
            n = SimplifiedLayerNormalization <axis = -1> (x, scale)
            logits = MatMul (n, head)
            states = Identity (n)
        }
        """;

    private const string LastOfHead = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (float[b, s, 8] x) => (float[b, s, 32] logits, float[b, s, 8] states)
            <float[8] scale = ["location": "scale"], float[8, 32] head = ["location": "head"], float cap = {30}, uint8[32, 1, 16] q = ["location": "q"], float[32, 1] steps = ["location": "s"], int64[1] first = {-1}, int64[1] last = {9223372036854775807}, int64[1] axis = {1}>
        {
            n = SimplifiedLayerNormalization <axis = -1> (x, scale)
            row = Slice (n, first, last, axis)
            logits = MatMul (row, head)
            states = Identity (n)
        }
        """;

    private const string Product = "logits = MatMul (n, head)";
    private const string LastProduct = "logits = MatMul (row, head)";

    /// <summary>Other readers of the last hidden state keep all positions.</summary>
    [TestMethod]
    public void AProjectionBehindANormalization_GetsTheLastPosition() => AssertCut("", "");

    [TestMethod]
    public void AQuantisedProjection_GetsTheLastPosition() =>
        AssertCut("com.microsoft.MatMulNBits <K = 8, N = 32, bits = 4, block_size = 32> ({0}, q, steps)", "");

    [TestMethod]
    [DataRow("divided = Div (p, cap) bent = Tanh (divided) scaled = Mul (bent, cap) logits = Cast <to = 1> (scaled)", DisplayName = "a soft-cap")]
    [DataRow("a = Identity (p) c = Identity (a) d = Identity (c) e = Identity (d) f = Identity (e) h = Identity (f) i = Identity (h) logits = Identity (i)", DisplayName = "as many operators as are followed")]
    public void WhatFollowsElementByElement_IsComputedOfTheLastPosition(string behind) => AssertCut("", behind);

    [TestMethod]
    [DataRow(Product, "p = MatMul (n, head) logits = Softmax (p)", DisplayName = "an operator that is not element by element")]
    [DataRow(Product, "p = MatMul (n, head) a = Identity (p) c = Identity (a) d = Identity (c) e = Identity (d) f = Identity (e) h = Identity (f) i = Identity (h) j = Identity (i) logits = Identity (j)", DisplayName = "more operators than are followed")]
    [DataRow(Product, "flat = Reshape (n, same) logits = MatMul (flat, head)", DisplayName = "positions may stand elsewhere")]
    [DataRow(Product, "logits = Gemm (n, head)", DisplayName = "rows of all sequences at once")]
    [DataRow("n = SimplifiedLayerNormalization <axis = -1> (x, scale)\n    logits = MatMul (n, head)\n    states = Identity (n)", "logits = MatMul (x, head) states = Identity (x)", DisplayName = "no normalization")]
    [DataRow("logits", "scores", DisplayName = "no logits")]
    public void AnotherHead_StaysAsItIs(string part, string replacement)
    {
        string text = Head.With(part, replacement);
        RuleTest.Rewrites(text, model => Assert.IsFalse(LastPosition.Apply(model)), text);
    }

    /// <param name="product">The product, its input as {0}; empty for MatMul.</param>
    /// <param name="behind">What computes the logits of the product p; empty where it is the logits.</param>
    private static void AssertCut(string product, string behind)
    {
        string form = (behind.Length == 0 ? "logits = " : "p = ") + (product.Length == 0 ? "MatMul ({0}, head)" : product) + " " + behind;
        RuleTest.Rewrites(Head.With(Product, form.With("{0}", "n")), model => Assert.IsTrue(LastPosition.Apply(model)), LastOfHead.With(LastProduct, form.With("{0}", "row")));
    }
}
