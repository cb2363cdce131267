using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition.Decomposed;

/// <summary>Which elements of two operands an element of their product sums over. The operands are counted through in row-major order.</summary>
[TestClass]
public sealed class ProductPlacesTests
{
    [TestMethod]
    // [2, 3] times [3, 4]: element (1, 2) sums over row 1 and column 2.
    [DataRow("y = MatMul (float[2, 3] a, float[3, 4] b)", 6L, new long[] { 3, 4, 5 }, new long[] { 2, 6, 10 })]
    // The same with operands that are stored transposed: [3, 2] and [4, 3].
    [DataRow("y = com.microsoft.FusedMatMul <transA = 1, transB = 1> (float[3, 2] a, float[4, 3] b)", 6L, new long[] { 1, 3, 5 }, new long[] { 6, 7, 8 })]
    // MatMul knows no transA; what a file claims of it is nothing.
    [DataRow("y = MatMul <transA = 1, transB = 1> (float[2, 3] a, float[3, 4] b)", 6L, new long[] { 3, 4, 5 }, new long[] { 2, 6, 10 })]
    // A batch on the left, one matrix for all on the right: element (1, 0, 1).
    [DataRow("y = MatMul (float[2, 1, 3] a, float[3, 2] b)", 3L, new long[] { 3, 4, 5 }, new long[] { 1, 3, 5 })]
    // Scores of heads behind the sequence: b 1, s 2, h 2, d 2; element (0, h 1, q 1, k 0).
    [DataRow("y = Einsum <equation = \"bqhd,bkhd->bhqk\"> (float[1, 2, 2, 2] a, float[1, 2, 2, 2] b)", 6L, new long[] { 6, 7 }, new long[] { 2, 3 })]
    public void Places_AreThoseOfTheSummedProducts(string product, long place, long[] left, long[] right)
    {
        ProductPlaces places = Places(product)!;
        Assert.AreEqual(left.Length, places.Depth);
        CollectionAssert.AreEqual(left, Enumerable.Range(0, left.Length).Select(index => places.Left(place, index)).ToArray());
        CollectionAssert.AreEqual(right, Enumerable.Range(0, left.Length).Select(index => places.Right(place, index)).ToArray());
    }

    [TestMethod]
    [DataRow("ik", "kj", "ij", "2,3", "3,4", true)]
    [DataRow("ik", "kj", "ij", "2,3", "1,4", true)]
    [DataRow("ik", "kj", "ij", "2,1", "3,4", true)]
    [DataRow("", "kj", "j", "", "3,4", false, DisplayName = "no letters")]
    [DataRow("ik", "kj", "ij", "2,3,4", "3,4", false, DisplayName = "more dimensions on the left")]
    [DataRow("ik", "kj", "ij", "2,3", "3,4,5", false, DisplayName = "more dimensions on the right")]
    [DataRow("ik", "kj", "ij", "2,3", "5,4", false, DisplayName = "sizes that differ")]
    [DataRow("ik", "kj", "ikj", "2,3", "3,4", false, DisplayName = "nothing is summed")]
    [DataRow("ikl", "klj", "ij", "2,3,4", "3,4,5", false, DisplayName = "two letters are summed")]
    [DataRow("iik", "kj", "ij", "2,2,3", "3,4", false, DisplayName = "a diagonal on the left")]
    [DataRow("ik", "kjj", "ij", "2,3", "3,4,4", false, DisplayName = "a diagonal on the right")]
    [DataRow("ik", "kj", "i", "2,3", "3,4", false, DisplayName = "a letter of one operand is summed alone")]
    [DataRow("ik", "kj", "ijz", "2,3", "3,4", false, DisplayName = "a letter that no operand has")]
    public void Letters_MustFitTheShapes(string left, string right, string result, string leftShape, string rightShape, bool fits) =>
        Assert.AreEqual(fits, ProductPlaces.Of(left, Shape(leftShape), right, Shape(rightShape), result) is not null);

    [TestMethod]
    public void Depth_IsTheLargerOfTwoSizesOfWhichOneIsRepeated()
    {
        ProductPlaces places = ProductPlaces.Of("ik", [2, 1], "kj", [3, 4], "ij")!;
        Assert.AreEqual(3L, places.Depth);
        CollectionAssert.AreEqual(new long[] { 2, 4 }, places.Shape);
        Assert.AreEqual((1L, 10L), (places.Left(6, 2), places.Right(6, 2)));
    }

    [TestMethod]
    [DataRow("y = MatMul (float[2, 3] a, float[3, 4] b)", 1f)]
    [DataRow("y = com.microsoft.FusedMatMul <alpha = 0.25> (float[2, 3] a, float[3, 4] b)", 0.25f)]
    [DataRow("y = com.microsoft.FusedMatMul (float[2, 3] a, float[3, 4] b)", 1f)]
    [DataRow("y = MatMul <alpha = 0.25> (float[2, 3] a, float[3, 4] b)", 1f)]
    public void Factor_IsAlphaOfFusedMatMul(string product, float factor) => Assert.AreEqual(factor, MatrixProduct.Of(Load(product).Graph.Find("y")!.Producer!)!.Factor);

    [TestMethod]
    [DataRow("y = MatMul (float[2, 3] a, float[3, 4] b)", true)]
    [DataRow("y = MatMul (float[2, 3] a, w)", false)]
    [DataRow("t = Transpose (w) c = Cast <to = 1> (t) r = Reshape (c, two) y = MatMul (float[2, 3] a, r)", false)]
    [DataRow("y = MatMul (w, float[4, 3] a)", false)]
    [DataRow("n = Neg (w) y = MatMul (float[2, 3] a, n)", true)]
    [DataRow("t = Transpose (float[4, 3] b) y = MatMul (float[2, 3] a, t)", true)]
    public void AProductWithAWeight_IsNoneOfActivations(string product, bool isOne) => Assert.AreEqual(isOne, MatrixProduct.Of(Load(product).Graph.Find("y")!.Producer!) is not null);

    /// <summary>More dimensions than any layer has.</summary>
    [TestMethod]
    [DataRow(12, true)]
    [DataRow(13, false)]
    public void Products_OfManyDimensions_HaveNoPlaces(int dimensions, bool has)
    {
        string ones = string.Concat(Enumerable.Repeat("1, ", dimensions - 2));
        Assert.AreEqual(has, Places($"y = MatMul (float[{ones}2, 3] a, float[{ones}3, 4] b)") is not null);
        Assert.AreEqual(has, Places($"y = MatMul (float[2, 3] a, float[{ones}3, 4] b)") is not null);
    }

    private static long[] Shape(string sizes) => [.. sizes.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(long.Parse)];

    private static ProductPlaces? Places(string product)
    {
        OnnxModel model = Load(product);
        return MatrixProduct.Of(model.Graph.Find("y")!.Producer!)!.Places(PartialEvaluation.Of(model));
    }

    /// <summary>A product; its operands with their types stand in it.</summary>
    private static OnnxModel Load(string product)
    {
        System.Text.RegularExpressions.MatchCollection operands = System.Text.RegularExpressions.Regex.Matches(product, @"float\[[\d, ]+\] ([ab])");
        string nodes = operands.Aggregate(product, (text, operand) => text.Replace(operand.Value, operand.Groups[1].Value, StringComparison.Ordinal));
        return OnnxText.Load($$"""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            g ({{string.Join(", ", operands.Select(operand => operand.Value))}}) => (float[] y) <float[3, 4] w = ["location": "w"], int64[2] two = {3, 4}> { {{nodes}} }
            """);
    }
}
