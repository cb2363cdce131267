using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>The projection that makes logits of hidden states; Gemma bounds them, Granite divides them, and half-precision exports convert them.</summary>
[TestClass]
public sealed class OutputHeadTests
{
    [TestMethod]
    [DataRow("[head] logits = MatMul (x, w)")]
    [DataRow("[head] m = MatMul (x, w) logits = Cast <to = 1> (m)")]
    [DataRow("[head] m = MatMul (x, w) d = Div (m, cap) t = Tanh (d) logits = Mul (cap, t)")]
    [DataRow("[head] m = MatMul (x, w) logits = Add (bias, m)")]
    [DataRow("[head] logits = Gemm (x, w)")]
    public void Head_IsTheLastProjection(string nodes) => Assert.AreEqual("head", OutputHead.Of(Load(nodes)).Name);

    [TestMethod]
    [DataRow("logits = Sigmoid (x)", "Sigmoid ''")]
    [DataRow("m = MatMul (x, w) logits = Softmax (m)", "Softmax ''")]
    [DataRow("logits = MatMul (x, x)", "MatMul ''")]
    [DataRow("logits = Cast <to = 1> (x)", null)]
    public void LogitsOfAnythingElse_AreRefused(string nodes, string? found)
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => OutputHead.Of(Load(nodes)));
        Assert.AreEqual(("The output head is not a projection", found), (refusal.What, refusal.Found));
    }

    [TestMethod]
    public void AModelWithoutLogits_IsRefused() => Assert.AreEqual("The model has no logits", Assert.ThrowsExactly<ModelRefusedException>(() => OutputHead.Of(Load("y = MatMul (x, w)", "y"))).What);

    private static OnnxModel Load(string nodes, string output = "logits") => OnnxText.Load($$"""
        <ir_version: 10, opset_import: ["" : 21]>
        g (float[b, s, 8] x) => (float[b, s, 32] {{output}}) <float[8, 32] w = ["location": "w"], float cap = {30}, float[32] bias = ["location": "b"]> { {{nodes}} }
        """);
}
