using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Gradients.Rules;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>The tensors of a quantised weight as other operators read them: over the same bytes of the data file.</summary>
[TestClass]
public sealed class QuantisedViewTests
{
    /// <summary>Six rows of two blocks; the elements stand in the file behind 100 bytes, the scales at its start.</summary>
    private const string Product = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (float[b, 32] x, float[b, 6] dy) => (float[b, 6] y)
            <uint8[6, 2, 8] e = ["location": "e", "offset": "100"], float[12] s = ["location": "s"], uint8[6] z = ["location": "z", "offset": "7"]>
        {
            y = com.microsoft.MatMulNBits <N = 6, K = 32, bits = 4, block_size = 16> (x, e, s, z)
        }
        """;

    // Rows 2 and 3: 16 bytes of elements, 8 of scales and 1 of zero points a row.
    [TestMethod]
    public void SomeRows_AreAProductOverTheirBytes() => RuleTest.Rewrites(Product, RowsTwoAndThree, """
        g (float[b, 32] x, float[b, 6] dy) => (float[b, 6] y, float[b, 2] part)
            <uint8[6, 2, 8] e = ["location": "e", "offset": "100"], float[12] s = ["location": "s"], uint8[6] z = ["location": "z", "offset": "7"],
             uint8[2, 2, 8] e2 = ["location": "e", "offset": "132", "length": "32"], float[4] s2 = ["location": "s", "offset": "16", "length": "16"], uint8[2] z2 = ["location": "z", "offset": "9", "length": "2"]>
        {
            y = com.microsoft.MatMulNBits <N = 6, K = 32, bits = 4, block_size = 16> (x, e, s, z)
            part_ = com.microsoft.MatMulNBits <N = 2, K = 32, bits = 4, block_size = 16> (x, e2, s2, z2)
            part = Identity (part_)
        }
        """);

    [TestMethod]
    public void SomeRows_OfAWeightWithoutZeroPoints_HaveNone() => RuleTest.Rewrites(Product.With("s, z)", "s)"), RowsTwoAndThree, """
        g (float[b, 32] x, float[b, 6] dy) => (float[b, 6] y, float[b, 2] part)
            <uint8[6, 2, 8] e = ["location": "e", "offset": "100"], float[12] s = ["location": "s"],
             uint8[2, 2, 8] e2 = ["location": "e", "offset": "132", "length": "32"], float[4] s2 = ["location": "s", "offset": "16", "length": "16"]>
        {
            y = com.microsoft.MatMulNBits <N = 6, K = 32, bits = 4, block_size = 16> (x, e, s)
            part_ = com.microsoft.MatMulNBits <N = 2, K = 32, bits = 4, block_size = 16> (x, e2, s2)
            part = Identity (part_)
        }
        """);

    // DequantizeLinear takes elements one by one, of their own type, and zero points of the same.
    [TestMethod]
    public void ForTheTrainingRuntime_ElementsAreReadAsNumbersOfFourBits() => RuleTest.Rewrites(Product, model => BackwardPass.Differentiate(model, ["x"], TrainingRuntime.OnnxRuntimeTraining), """
        g (float[b, 32] x, float[b, 6] dy) => (float[b, 6] y, float[] dx)
            <uint8[6, 2, 8] e = ["location": "e", "offset": "100"], float[12] s = ["location": "s"], uint8[6] z = ["location": "z", "offset": "7"],
             uint4[6, 32] e2 = ["location": "e", "offset": "100"], float[6, 2] s2 = ["location": "s"], uint4[6, 2] z2 = ["location": "z", "offset": "7"]>
        {
            y = com.microsoft.MatMulNBits <N = 6, K = 32, bits = 4, block_size = 16> (x, e, s, z)
            nothing = Shape <start = 0, end = 0> (dy)
            late = Expand (s2, nothing)
            w = DequantizeLinear <axis = 1, block_size = 16> (e2, late, z2)
            gx = MatMul (dy, w)
            dx = Identity (gx)
        }
        """);

    [TestMethod]
    public void ATensorOfTheWantedShape_IsReadAsItIs()
    {
        OnnxModel model = OnnxText.Load(Product.With("float[12] s", "float[6, 2] s").With("uint8[6, 2, 8] e", "uint8[6, 16] e").With("uint8[6] z", "uint8[6, 1] z"));
        QuantisedWeight weight = QuantisedWeight.Of(model.Graph.Nodes.Single());
        Assert.AreSame(weight.Elements, QuantisedViews.Elements(model.Graph, weight));
        Assert.AreSame(weight.Scales, QuantisedViews.Scales(model.Graph, weight));
        Assert.AreSame(weight.ZeroPoints, QuantisedViews.ZeroPoints(model.Graph, weight));
    }

    private static void RowsTwoAndThree(OnnxModel model)
    {
        Node product = model.Graph.Nodes.Single();
        Node part = QuantisedViews.ProductOfRows(new OpEmitter(model.Graph, "part"), QuantisedWeight.Of(product), product.Input(0)!, first: 2, count: 2);
        model.Graph.AddOutput(model.Graph.AddNode("Identity", "", "", [part.Output], ["part"]).Output, Shapes.Declare(Onnx.TensorProto.Types.DataType.Float, "b", 2));
    }
}
