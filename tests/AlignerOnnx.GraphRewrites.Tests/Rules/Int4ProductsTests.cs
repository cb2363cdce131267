using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Decoding;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Which products of 4 bits are computed by the kernel of our own.</summary>
[TestClass]
public sealed class Int4ProductsTests
{
    private const string Attributes = "K = 40, N = 16, bits = 4, block_size = 32, accuracy_level = 4";
    private const string Scales = "float[16, 2] s = [\"location\": \"s\"]";
    private const string Inputs = "(x, q, s, z)";

    private const string Product = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (float[b, 40] x) => (float[b, 16] y, float[b, 16] z2)
            <uint8[16, 2, 16] q = ["location": "q"], float[16, 2] s = ["location": "s"], uint8[16, 1] z = ["location": "z"], int32[40] order = ["location": "o"], float[16] bias = ["location": "b"]>
        {
            y = com.microsoft.MatMulNBits <K = 40, N = 16, bits = 4, block_size = 32, accuracy_level = 4> (x, q, s, z)
            z2 = Neg (y)
        }
        """;

    [TestMethod]
    public void AProductOfRoundedActivations_IsReplaced() => RuleTest.Rewrites(Product, model => Assert.AreEqual(1, Int4Products.Apply(model)), """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "aligner" : 1]>
        g (float[b, 40] x) => (float[b, 16] y, float[b, 16] z2)
            <uint8[16, 2, 16] q = ["location": "q"], float[16, 2] s = ["location": "s"], uint8[16, 1] z = ["location": "z"]>
        {
            y = aligner.MatMulInt4 <rows = 16, columns = 40, block_size = 32> (x, q, s, z)
            z2 = Neg (y)
        }
        """);

    /// <summary>ONNX Runtime refuses operators of a domain that is not imported, and would compute a product that is left over.</summary>
    [TestMethod]
    public void TheDomainIsImported_WhereAProductIsReplacedAndNothingIsLeftOfIt()
    {
        OnnxModel model = OnnxText.Load(Product);
        Int4Products.Apply(model);
        CollectionAssert.AreEquivalent(new[] { "MatMulInt4", "Neg" }, model.Graph.Nodes.Select(node => node.OpType).ToArray());
        Assert.AreEqual(1, model.ToProto().OpsetImport.Single(import => import.Domain == KernelOperators.Domain).Version);
    }

    [TestMethod]
    public void TheDomainIsNotImported_WhereNoProductIsReplaced()
    {
        OnnxModel model = OnnxText.Load(Product.With(Inputs, "(x, q, s, z, , bias)"));
        Int4Products.Apply(model);
        Assert.IsFalse(model.ToProto().OpsetImport.Any(import => import.Domain == KernelOperators.Domain));
    }

    /// <summary>The body of an If reads it by its name.</summary>
    [TestMethod]
    public void AProductThatANestedGraphReads_StaysAsItIs()
    {
        string text = Product.With("float[b, 16] z2)", "float[b, 16] z2, float[b, 16] z3)").With("z2 = Neg (y)", "z2 = Neg (y) yes = Constant <value = bool {1}> () "
            + "z3 = If (yes) <then_branch = far () => (float[b, 16] i) { i = Identity (y) }, else_branch = near () => (float[b, 16] j) { j = Neg (y) }>");
        Assert.AreEqual(0, Int4Products.Apply(OnnxText.Load(text)));
    }

    [TestMethod]
    public void AProductWithoutZeroPoints_IsReplaced() => Assert.AreEqual(1, Int4Products.Apply(OnnxText.Load(Product.With(Inputs, "(x, q, s)"))));

    [TestMethod]
    [DataRow(Attributes, "K = 40, N = 16, bits = 4, block_size = 32, accuracy_level = 1", DisplayName = "activations stay float32")]
    [DataRow(Attributes, "K = 40, N = 16, bits = 4, block_size = 32", DisplayName = "the runtime chooses")]
    [DataRow(Inputs, "(x, q, s, z, , bias)", DisplayName = "bias")]
    [DataRow(Inputs, "(x, q, s, , order)", DisplayName = "columns in another order")]
    [DataRow(Scales, "float16[16, 2] s = [\"location\": \"s\"]", DisplayName = "scales of float16")]
    [DataRow("uint8[16, 1] z", "float[16, 2] z", DisplayName = "zero points are numbers")]
    public void AnotherProduct_StaysAsItIs(string part, string replacement)
    {
        string text = Product.With(part, replacement);
        RuleTest.Rewrites(text, model => Assert.AreEqual(0, Int4Products.Apply(model)), text);
    }

    [TestMethod]
    public void BlocksOf16_StayAsTheyAre() => Assert.AreEqual(0, Int4Products.Apply(OnnxText.Load(Product
        .With("K = 40, N = 16, bits = 4, block_size = 32", "K = 32, N = 16, bits = 4, block_size = 16").With("[b, 40]", "[b, 32]").With("uint8[16, 2, 16]", "uint8[16, 2, 8]"))));

    [TestMethod]
    public void FewerThanSixteenRows_StayAsTheyAre() => Assert.AreEqual(0, Int4Products.Apply(OnnxText.Load(Product
        .With("N = 16", "N = 8").With("uint8[16, 2, 16]", "uint8[8, 2, 16]").With("float[16, 2]", "float[8, 2]").With("uint8[16, 1]", "uint8[8, 1]"))));
}
