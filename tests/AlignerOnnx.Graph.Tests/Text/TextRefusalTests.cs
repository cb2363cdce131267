using AlignerOnnx.Graph.Text;
using Google.Protobuf;
using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Graph.Tests.Text;

/// <summary>Text that does not follow the syntax, and models that it has no place for: refused with place and reason.</summary>
[TestClass]
public sealed class TextRefusalTests
{
    [TestMethod]
    [DataRow("", 1, 1, "the end of the text", "the name of a graph")]
    [DataRow("<ir_version 10> g () => () {}", 1, 13, "10> g", "':'")]
    [DataRow("<version: 10> g () => () {}", 1, 2, "version: 10", "a keyword")]
    [DataRow("<ir_version: \"x\"> g () => () {}", 1, 14, "\"x\"", "a number")]
    [DataRow("<ir_version: 10.5> g () => () {}", 1, 14, "10.5", "a number")]
    [DataRow("<opset_import: [\"\" : ]> g () => () {}", 1, 22, "]>", "version")]
    [DataRow("<producer_name: \"open> g", 1, 17, "\"open", "ends with a quotation mark")]
    [DataRow("<producer_name: \"open\\", 1, 17, "\"open\\", "ends with a quotation mark")]
    [DataRow("g (float[2 x) => () {}", 1, 12, "x)", "']'")]
    [DataRow("g (float[1.5] x) => () {}", 1, 10, "1.5", "a dimension")]
    [DataRow("g (seq float x) => () {}", 1, 8, "float x", "'('")]
    [DataRow("g (map(thing, float) x) => () {}", 1, 8, "thing", "a type")]
    [DataRow("g (opaque(thing) x) => () {}", 1, 4, "opaque", "a type")]
    [DataRow("g (x,) => () {}", 1, 6, ")", "a type or the name")]
    [DataRow("g (x) = > () {}", 1, 7, "= >", "'=>'")]
    [DataRow("g (x) => (y) {\n  y = Neg(x)\n  y Neg(x)\n}", 3, 5, "Neg(x)", "'='")]
    [DataRow("g (x) => (y) {\n  y = Neg x\n}", 2, 11, "x", "'('")]
    [DataRow("g (x) => (y) {\n  y = Neg (x\n}", 3, 1, "}", "')'")]
    [DataRow("g (x) => (y) { y = (x) }", 1, 20, "(x)", "an operator")]
    [DataRow("g (x) => (y) { y = com. (x) }", 1, 25, "(x)", "the next part")]
    [DataRow("g (x) => (y) { y = Neg (x)", 1, 27, "the end of the text", "'='")]
    [DataRow("g (x) => (y) { y = Op <a> (x) }", 1, 25, "> (x)", "'='")]
    [DataRow("g (x) => (y) { y = Op <a: thing = 1> (x) }", 1, 27, "thing", "an attribute type")]
    [DataRow("g (x) => (y) { y = Op <a = > (x) }", 1, 28, "> (x)", "a value")]
    [DataRow("g (x) => (y) { y = Op <a = []> (x) }", 1, 28, "[]", "a: ints = []")]
    [DataRow("g (x) => (y) { y = Op <a: int = [1]> (x) }", 1, 33, "[1]", "one value")]
    [DataRow("g (x) => (y) { y = Op <a: ints = 1> (x) }", 1, 34, "1>", "a list")]
    [DataRow("g (x) => (y) { y = Op <a: int = 1.5> (x) }", 1, 33, "1.5", "type int")]
    [DataRow("g (x) => (y) { y = Op <a = [1, \"b\"]> (x) }", 1, 32, "\"b\"", "type int")]
    [DataRow("g (x) => (y) { y = Op <a = 99999999999999999999> (x) }", 1, 28, "9999", "a value")]
    [DataRow("g (x) => (y) { y = Op <a = 1e999> (x) }", 1, 28, "1e999", "range of float32")]
    [DataRow("g (x) => (y) { y = Op <a = float[N] {1}> (x) }", 1, 37, "{1}", "shape of numbers")]
    [DataRow("g (x) => (y) { y = Op <a = float[] {1}> (x) }", 1, 36, "{1}", "shape of numbers")]
    [DataRow("g (x) => (y) { y = Op <a = float[-1] {1}> (x) }", 1, 38, "{1}", "shape of numbers")]
    [DataRow("g (x) => (y) { y = Op <a = seq(float) {1}> (x) }", 1, 39, "{1}", "shape of numbers")]
    [DataRow("g (x) => (y) { y = Op <a = int8[1] {128}> (x) }", 1, 37, "128", "from -128 to 127")]
    [DataRow("g (x) => (y) { y = Op <a = uint32[1] {-1}> (x) }", 1, 39, "-1", "from 0 to 4294967295")]
    [DataRow("g (x) => (y) { y = Op <a = uint64[1] {-1}> (x) }", 1, 39, "-1", "not negative")]
    [DataRow("g (x) => (y) { y = Op <a = float16[1] {1.0}> (x) }", 1, 40, "1.0", "an integer")]
    [DataRow("g (x) => (y) { y = Op <a = int64[1] {}> (x) }", 1, 39, "> (x)", "1 values")]
    [DataRow("g (x) => (y) { y = Op <a = int64[1] {1, 2}> (x) }", 1, 41, "2}", "after 1 values")]
    [DataRow("g (x) => (y) { y = Op <a = undefined[1] {1}> (x) }", 1, 42, "1}", "undefined")]
    [DataRow("g (x) => (y) { y = Op <a = float[4294967296, 4294967296] {1}> (x) }", 1, 58, "{1}", "63 bits")]
    [DataRow("g (float[2] w = [\"location\" = \"x\"]) => () {}", 1, 29, "= \"x\"", "':'")]
    [DataRow("g (w = {1}) => () {}", 1, 8, "{1}", "shape of numbers")]
    [DataRow("g () => () {} trailing", 1, 23, "the end of the text", "'('")]
    public void Parse_OfWrongText_SaysWhereFoundAndExpected(string text, int line, int column, string found, string expected)
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => OnnxText.Parse(text));
        Assert.AreEqual($"line {line}, column {column}", refusal.Where);
        StringAssert.StartsWith(refusal.Found, found);
        StringAssert.Contains(refusal.Expected, expected);
    }

    [TestMethod]
    public void Parse_OfGraphsNestedTooDeep_IsRefused()
    {
        const int Depth = 100_000;
        string text = $"g () => () {{ {string.Concat(Enumerable.Repeat("y = If (c) <then_branch = b () => () { ", Depth))}";
        StringAssert.Contains(Refusal(() => OnnxText.Parse(text)).Expected, "32 deep");
    }

    [TestMethod]
    public void Parse_OfTypesNestedTooDeep_IsRefused()
    {
        string text = $"g ({string.Concat(Enumerable.Repeat("seq(", 100_000))}";
        StringAssert.Contains(Refusal(() => OnnxText.Parse(text)).Expected, "32 deep");
    }

    [TestMethod]
    public void Print_OfWhatIsNestedAtTheLimit_CanBeReadBack_AndOneDeeperIsRefused()
    {
        // The graph of the model takes one level of the 32.
        TypeProto type = Nested(30);
        ModelProto model = new() { Graph = new GraphProto { Name = "g", Input = { new ValueInfoProto { Name = "x", Type = type } } } };
        Assert.AreEqual(type, OnnxText.Parse(OnnxText.Print(model)).Graph.Input[0].Type);
        model.Graph.Input[0].Type = Nested(31);
        StringAssert.Contains(Refusal(() => OnnxText.Print(model)).What, "too deep");

        static TypeProto Nested(int depth) => Enumerable.Range(0, depth).Aggregate(
            new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = 1 } },
            (inner, _) => new TypeProto { SequenceType = new TypeProto.Types.Sequence { ElemType = inner } });
    }

    [TestMethod]
    public void Print_OfAStringThatIsNotUtf8_IsRefused() => AssertNoPlace("UTF-8", new AttributeProto { Name = "a", Type = AttributeType.String, S = ByteString.CopyFrom(0xC3, 0x28) });

    [TestMethod]
    public void Print_OfASparseTensor_IsRefused() => AssertNoPlace("attribute's value", new AttributeProto { Name = "a", Type = AttributeType.SparseTensor, SparseTensor = new SparseTensorProto() });

    [TestMethod]
    public void Print_OfAnAttributeWithoutItsValue_IsRefused() => AssertNoPlace("attribute's value", new AttributeProto { Name = "a", Type = AttributeType.Graph });

    [TestMethod]
    public void Print_OfAnUnknownElementType_IsRefused() =>
        AssertNoPlace("element type", new AttributeProto { Name = "a", Type = AttributeType.Tensor, T = new TensorProto { DataType = 99 } });

    [TestMethod]
    public void Print_OfATensorInSegments_IsRefused() =>
        AssertNoPlace("segments", new AttributeProto { Name = "a", Type = AttributeType.Tensor, T = new TensorProto { DataType = 1, Segment = new TensorProto.Types.Segment() } });

    [TestMethod]
    public void Print_OfATensorWithoutItsData_IsRefused() =>
        AssertNoPlace("wrong length", new AttributeProto { Name = "a", Type = AttributeType.Tensor, T = new TensorProto { DataType = 1, Dims = { 2 } } });

    [TestMethod]
    public void Print_OfSparseInitializers_IsRefused() =>
        StringAssert.Contains(Refusal(() => OnnxText.Print(new ModelProto { Graph = new GraphProto { SparseInitializer = { new SparseTensorProto() } } })).What, "sparse");

    private static void AssertNoPlace(string reason, AttributeProto attribute)
    {
        GraphProto graph = new() { Name = "g", Node = { new NodeProto { OpType = "Op", Output = { "y" }, Attribute = { attribute } } } };
        StringAssert.Contains(Refusal(() => OnnxText.Print(new ModelProto { Graph = graph })).Message, reason);
    }

    private static ModelRefusedException Refusal(Action action) => Assert.ThrowsExactly<ModelRefusedException>(action);
}
