using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>
/// The weight of com.microsoft.MatMulNBits, N rows of K elements in blocks: which sizes of its tensors fit its attributes. The tensors stand behind an Identity, where
/// loading does not check them. Base: N 4, K 40, blocks of 16: three a row, 48 elements with the padding.
/// </summary>
[TestClass]
public sealed class QuantisedWeightTests
{
    private const string OutOfRange = "are out of range";
    private const string Elements = "the quantised weight does not have N * blocks * block size elements";
    private const string Scales = "the scales do not number N * blocks";
    private const string ZeroPoints = "the zero points are neither packed bytes of N rows nor N * blocks numbers";
    private const string Groups = "the group index does not number K elements";
    private const string Both = "the weight has a group index and zero points: execution providers differ in what they make of both (the CPU of ONNX Runtime 1.31 ignores the zero points)";

    [TestMethod]
    [DataRow("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]")]
    [DataRow("block_size = 16", "uint8[4, 3, 8]", "float[12]", DisplayName = "4 bits unless said otherwise")]
    [DataRow("bits = 2, block_size = 16", "uint8[4, 3, 4]", "float[4, 3]")]
    [DataRow("bits = 8, block_size = 16", "uint8[4, 3, 16]", "float16[4, 3]")]
    [DataRow("bits = 4, block_size = 32", "uint8[4, 2, 16]", "bfloat16[4, 2]")]
    [DataRow("bits = 4, block_size = 4096", "uint8[4, 1, 2048]", "float[4]")]
    public void AttributesAndTensors_Fit(string attributes, string elements, string scales) => Assert.IsNull(Misfit(attributes, elements, scales));

    [TestMethod]
    [DataRow("bits = 3, block_size = 16", OutOfRange)]
    [DataRow("bits = 4, block_size = 8", OutOfRange)]
    [DataRow("bits = 4, block_size = 24", OutOfRange)]
    [DataRow("bits = 4, block_size = 8192", OutOfRange)]
    [DataRow("bits = 4, block_size = 16, weight_prepacked = 1", "the weight is prepacked for one device and cannot be read back")]
    public void Attributes_AreThoseOfTheOperator(string attributes, string reason) => Assert.EndsWith(reason, Misfit(attributes, "uint8[4, 3, 8]", "float[4, 3]")!);

    /// <summary>Larger ones would overflow what is computed from them. No tensor here has as many elements.</summary>
    [TestMethod]
    [DataRow(67108864L, 40L, Elements)]
    [DataRow(67108865L, 40L, OutOfRange)]
    [DataRow(4L, 67108864L, Elements)]
    [DataRow(4L, 67108865L, OutOfRange)]
    [DataRow(1L, 1L, Elements)]
    public void RowsAndColumns_HaveALimit(long rows, long columns, string reason) => Assert.EndsWith(reason, Misfit("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]", rows: rows, columns: columns)!);

    [TestMethod]
    [DataRow("uint8[4, 3, 7]", "float[4, 3]", Elements)]
    [DataRow("int8[4, 3, 8]", "float[4, 3]", Elements)]
    [DataRow("uint8[4, 3, 8]", "float[4, 2]", Scales)]
    [DataRow("uint8[4, 3, 8]", "double[4, 3]", Scales)]
    public void ElementsAndScales_Fill_TheBlocks(string elements, string scales, string reason) => Assert.AreEqual(reason, Misfit("bits = 4, block_size = 16", elements, scales));

    [TestMethod]
    [DataRow("e", "x", Elements)]
    [DataRow("f", "x", Scales)]
    [DataRow("z", "x", ZeroPoints)]
    [DataRow("g", "x", Groups)]
    public void TensorsThatCallersFeed_AreNoWeight(string tensor, string input, string reason) =>
        Assert.AreEqual(reason, Misfit("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]", "uint8[4, 2]", "int32[40]", nodes => nodes.With($"{tensor} = Identity ({tensor}0)", $"{tensor} = Identity ({input})")));

    [TestMethod]
    [DataRow("uint8[4, 2]", null, DisplayName = "three of 4 bits a row, in whole bytes")]
    [DataRow("uint8[4, 1]", ZeroPoints)]
    [DataRow("uint8[4, 3]", ZeroPoints)]
    [DataRow("float[4, 3]", null, DisplayName = "numbers of the scales' type")]
    [DataRow("float[4, 2]", ZeroPoints)]
    [DataRow("float16[4, 3]", ZeroPoints)]
    public void ZeroPoints_ArePackedOrNumbers(string zeroPoints, string? reason) => Assert.AreEqual(reason, Misfit("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]", zeroPoints));

    [TestMethod]
    [DataRow("int32[40]", null)]
    [DataRow("int32[48]", null, DisplayName = "padded")]
    [DataRow("int32[41]", Groups)]
    [DataRow("int64[40]", Groups)]
    public void GroupIndex_HasAnEntryForEachColumn(string groups, string? reason) => Assert.AreEqual(reason, Misfit("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]", groups: groups));

    [TestMethod]
    [DataRow(4, "uint8[1]", 0x88, null)]
    [DataRow(4, "uint8[1]", 0x87, Both)]
    [DataRow(8, "uint8[1]", 0x80, null)]
    [DataRow(8, "uint8[1]", 0x88, Both)]
    [DataRow(2, "uint8[1]", 0xAA, null)]
    [DataRow(2, "uint8[1]", 0x88, Both)]
    [DataRow(4, "float[1]", 8, Both)]
    public void GroupIndexAndZeroPoints_AreUnderstood_WhereZeroPointsAreTheDefault(int bits, string zeroPoints, int number, string? reason) =>
        Assert.AreEqual(reason, QuantisedWeight.Misfit(Load($"bits = {bits}, block_size = 16", $"uint8[1, 1, {2 * bits}]", "float[1]", $"{zeroPoints} z0 = {{{number}}}", "int32[16] g0 = [\"location\": \"g\"]", 1, 16, text => text)));

    [TestMethod]
    public void Facts_AreThoseOfTheNode()
    {
        QuantisedWeight packed = QuantisedWeight.Of(Load("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]", "uint8[4, 2] z0 = [\"location\": \"z\"]", "int32[40] g0 = [\"location\": \"g\"]", 4, 40, text => text));
        Assert.AreEqual((4L, 40L, 4, 16L), (packed.Rows, packed.Columns, packed.Bits, packed.BlockSize));
        Assert.AreEqual((3L, 48L, 2L), (packed.BlocksPerRow, packed.PaddedColumns, packed.ZeroPointBytesPerRow));
        Assert.AreEqual(("e", "f", "z", "g"), (packed.Elements.Name, packed.Scales.Name, packed.ZeroPoints!.Name, packed.BlockOfColumn!.Name));
        Assert.IsFalse(packed.HasNumericZeroPoints);
        Assert.IsTrue(QuantisedWeight.Of(Load("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]", "float[4, 3] z0 = [\"location\": \"z\"]", "", 4, 40, text => text)).HasNumericZeroPoints);
        Assert.IsFalse(QuantisedWeight.Of(Load("bits = 4, block_size = 16", "uint8[4, 3, 8]", "float[4, 3]", "", "", 4, 40, text => text)).HasNumericZeroPoints);
    }

    private static string? Misfit(string attributes, string elements, string scales, string zeroPoints = "", string groups = "", Func<string, string>? change = null, long rows = 4, long columns = 40) =>
        QuantisedWeight.Misfit(Load(attributes, elements, scales, Stored(zeroPoints, "z0"), Stored(groups, "g0"), rows, columns, change ?? (text => text)));

    private static string Stored(string type, string name) => type.Length == 0 ? "" : $"{type} {name} = [\"location\": \"{name}\"]";

    private static Node Load(string attributes, string elements, string scales, string zeroPoints, string groups, long rows, long columns, Func<string, string> change)
    {
        string constants = string.Join(", ", new[] { Stored(elements, "e0"), Stored(scales, "f0"), zeroPoints, groups }.Where(constant => constant.Length > 0));
        string nodes = change($"""
            e = Identity (e0) f = Identity (f0) {(zeroPoints.Length > 0 ? "z = Identity (z0)" : "")} {(groups.Length > 0 ? "g = Identity (g0)" : "")}
            y = com.microsoft.MatMulNBits <N = {rows}, K = {columns}, {attributes}> (x, e, f, {(zeroPoints.Length > 0 ? "z" : "")}, {(groups.Length > 0 ? "g" : "")})
            """);
        return OnnxText.Load($$"""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            g (float[b, s, 40] x) => (float[] y) <{{constants}}> { {{nodes}} }
            """).Graph.Find("y")!.Producer!;
    }
}
