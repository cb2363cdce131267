using System.Runtime.Intrinsics.X86;
using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Gradients.Rules;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Which products with float32 activations read the weight as it is stored.</summary>
[TestClass]
public sealed class StoredProductsTests
{
    private const string Inputs = "(x, q, s, z)";

    private const string Product = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "aligner" : 1]>
        g (float[b, 64] x) => (float[b, 96] y, float[b, 96] z2)
            <uint8[96, 2, 16] q = ["location": "q"], float[192] s = ["location": "s"], uint8[96] z = ["location": "z"], int32[64] order = ["location": "o"], float[96] bias = ["location": "b"]>
        {
            y = com.microsoft.MatMulNBits <K = 64, N = 96, bits = 4, block_size = 32, accuracy_level = 1> (x, q, s, z)
            z2 = Neg (y)
        }
        """;

    [TestInitialize]
    public void RequireVectors()
    {
        if (!Avx2.IsSupported)
        {
            Assert.Inconclusive("the kernel needs AVX2");
        }
    }

    /// <summary>The views have the shapes that the backward pass's operators want, over the same bytes.</summary>
    [TestMethod]
    public void AProduct_ReadsTheStoredBytes() => RuleTest.Rewrites(Product, model => StoredProducts.Apply(model.Graph), """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "aligner" : 1]>
        g (float[b, 64] x) => (float[b, 96] y, float[b, 96] z2)
            <uint8[96, 32] q2 = ["location": "q"], float[96, 2] s2 = ["location": "s"], uint8[96, 1] z3 = ["location": "z"]>
        {
            y = aligner.QuantisedProduct <bits = 4, block_size = 32, columns = 64, transposed = 1> (x, q2, s2, z3)
            z2 = Neg (y)
        }
        """);

    [TestMethod]
    [DataRow(Inputs, "(x, q, s)", DisplayName = "no zero points")]
    [DataRow("uint8[96, 2, 16] q = [\"location\": \"q\"], float[192] s = [\"location\": \"s\"], uint8[96] z = [\"location\": \"z\"]", "uint8[96, 2, 32] q = [\"location\": \"q\"], float[192] s = [\"location\": \"s\"], uint8[192] z = [\"location\": \"z\"]", DisplayName = "8 bits")]
    public void OfAnotherStorage_TooIsReplaced(string part, string replacement) =>
        Assert.AreEqual(1, Replaced(Product.With(part, replacement).Replace("bits = 4", replacement.Contains("2, 32]", StringComparison.Ordinal) ? "bits = 8" : "bits = 4", StringComparison.Ordinal)));

    [TestMethod]
    [DataRow(Inputs, "(x, q, s, z, , bias)", DisplayName = "bias")]
    [DataRow(Inputs, "(x, q, s, , order)", DisplayName = "columns in another order")]
    [DataRow("uint8[96] z", "float[96, 2] z", DisplayName = "zero points are numbers")]
    public void AnotherProduct_StaysAsItIs(string part, string replacement) => Assert.AreEqual(0, Replaced(Product.With(part, replacement)));

    [TestMethod]
    public void RowsThatFillNoPanel_StayAsTheyAre() => Assert.AreEqual(0, Replaced(Product.Replace("96", "80", StringComparison.Ordinal).Replace("192", "160", StringComparison.Ordinal)));

    [TestMethod]
    public void PaddedRows_StayAsTheyAre() => Assert.AreEqual(0, Replaced(Product.Replace("64", "60", StringComparison.Ordinal)));

    private static int Replaced(string text)
    {
        OnnxModel model = OnnxText.Load(text);
        StoredProducts.Apply(model.Graph);
        return model.Graph.Nodes.Count(node => node.Is(KernelOperators.QuantisedProduct, KernelOperators.Domain));
    }
}
