using AlignerOnnx.Graph.Text;
using Onnx;
using static Onnx.AttributeProto.Types;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph.Tests.Text;

/// <summary>What the forms of the syntax mean, by its definition in onnx/docs/Syntax.md.</summary>
[TestClass]
public sealed class TextParserTests
{
    [TestMethod]
    public void Header_OfEveryKeyword_IsRead()
    {
        ModelProto model = OnnxText.Parse("""
            <
              ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1], producer_name: "p", producer_version: "1.2", domain: "d.e",
              model_version: 3, doc_string: "two
            lines", metadata_props: ["a" : "1", "b" : "say \"hi\" \\ bye"]
            >
            g () => () {}
            """);
        Assert.AreEqual(10, model.IrVersion);
        CollectionAssert.AreEqual(new[] { ("", 21L), ("com.microsoft", 1L) }, model.OpsetImport.Select(opset => (opset.Domain, opset.Version)).ToArray());
        Assert.AreEqual("p 1.2 d.e 3", $"{model.ProducerName} {model.ProducerVersion} {model.Domain} {model.ModelVersion}");
        Assert.AreEqual("two\nlines", model.DocString.ReplaceLineEndings("\n"));
        CollectionAssert.AreEqual(new[] { ("a", "1"), ("b", "say \"hi\" \\ bye") }, model.MetadataProps.Select(entry => (entry.Key, entry.Value)).ToArray());
    }

    [TestMethod]
    public void Node_WithNameDomainAttributesAndAbsentInputs_IsRead()
    {
        NodeProto node = Node("""[n] y, "", "/model/z" = com.microsoft.GroupQueryAttention <num_heads = 4> (q, , "/model/v", "", m)""");
        Assert.AreEqual("n", node.Name);
        Assert.AreEqual("com.microsoft", node.Domain);
        Assert.AreEqual("GroupQueryAttention", node.OpType);
        CollectionAssert.AreEqual(new[] { "y", "", "/model/z" }, node.Output);
        CollectionAssert.AreEqual(new[] { "q", "", "/model/v", "", "m" }, node.Input);
        Assert.AreEqual(4, node.Attribute[0].I);
    }

    [TestMethod]
    [DataRow("y = Op ()", new string[0])]
    [DataRow("y = Op (,)", new[] { "" })]
    [DataRow("y = Op (\"\")", new[] { "" })]
    [DataRow("y = Op (x,)", new[] { "x" })]
    [DataRow("y = Op (,x)", new[] { "", "x" })]
    [DataRow("y = Op (x, , z)", new[] { "x", "", "z" })]
    public void Node_WithEmptyNames_ReadsThemAsTheOfficialParserDoes(string text, string[] inputs) => CollectionAssert.AreEqual(inputs, Node(text).Input);

    [TestMethod]
    public void Node_WithAttributesBehindTheInputs_IsRead() => Assert.AreEqual(1, Node("y = Op (x) <axis = 1>").Attribute[0].I);

    [TestMethod]
    public void Node_WithAnOverload_IsRead() => Assert.AreEqual("small", Node("y = local.Op:small (x)").Overload);

    [TestMethod]
    [DataRow("a = 2", AttributeType.Int)]
    [DataRow("a = -2", AttributeType.Int)]
    [DataRow("a = 0.625", AttributeType.Float)]
    [DataRow("a = 1e-3", AttributeType.Float)]
    [DataRow("a = -inf", AttributeType.Float)]
    [DataRow("a = NaN", AttributeType.Float)]
    [DataRow("a : float = 2", AttributeType.Float)]
    [DataRow("a = \"text\"", AttributeType.String)]
    [DataRow("a = float[2] {1, 2.5}", AttributeType.Tensor)]
    [DataRow("a = float[2] w {1, 2.5}", AttributeType.Tensor)]
    [DataRow("a = float[2] w = {1, 2.5}", AttributeType.Tensor)]
    [DataRow("a = float[3]", AttributeType.TypeProto)]
    [DataRow("a = seq(map(int64, optional(float[?, n])))", AttributeType.TypeProto)]
    [DataRow("a = body (float[N] y) => (float[N] w) { w = Neg (y) }", AttributeType.Graph)]
    [DataRow("a = \"the/body\" () => (w) { w = Neg (y) }", AttributeType.Graph)]
    [DataRow("a = [2, 4]", AttributeType.Ints)]
    [DataRow("a = [0.5, inf]", AttributeType.Floats)]
    [DataRow("a : floats = [1, 0.5]", AttributeType.Floats)]
    [DataRow("a = [\"x\", \"y\"]", AttributeType.Strings)]
    [DataRow("a = [int64 {1}, int64[1] {2}]", AttributeType.Tensors)]
    [DataRow("a = [g () => (w) { w = Neg (y) }, h () => () {}]", AttributeType.Graphs)]
    [DataRow("a = [float, float[], float[2]]", AttributeType.TypeProtos)]
    [DataRow("a : ints = []", AttributeType.Ints)]
    [DataRow("a : type_protos = []", AttributeType.TypeProtos)]
    [DataRow("a : ints = @other", AttributeType.Ints)]
    public void Attribute_OfEachForm_HasItsType(string text, AttributeType type) => Assert.AreEqual(type, Attribute(text).Type);

    [TestMethod]
    public void Attribute_Values_AreRead()
    {
        Assert.AreEqual(2f, Attribute("a : float = 2").F);
        Assert.AreEqual(float.NegativeInfinity, Attribute("a = -inf").F);
        Assert.AreEqual("other", Attribute("a : ints = @other").RefAttrName);
        Assert.AreEqual("a\\\"b", Attribute("a = \"a\\\\\\\"b\"").S.ToStringUtf8());
        CollectionAssert.AreEqual(new[] { 1f, 0.5f }, Attribute("a : floats = [1, 0.5]").Floats);
        CollectionAssert.AreEqual(new[] { 1f, 2.5f }, Attribute("a = float[2] {1, 2.5}").T.FloatData);
        Assert.AreEqual("the/body", Attribute("a = \"the/body\" () => (w) { w = Neg (y) }").G.Name);
    }

    [TestMethod]
    public void Type_WithoutBrackets_IsAScalar_AndWithEmptyOnes_OfUnknownRank()
    {
        Assert.AreEqual(0, Type("float").TensorType.Shape.Dim.Count);
        Assert.IsNull(Type("float[]").TensorType.Shape);
        TensorShapeProto shape = Type("""bfloat16[2, n, ?, "past + 1"]""").TensorType.Shape;
        Assert.AreEqual(2, shape.Dim[0].DimValue);
        Assert.AreEqual("n", shape.Dim[1].DimParam);
        Assert.AreEqual(TensorShapeProto.Types.Dimension.ValueOneofCase.None, shape.Dim[2].ValueCase);
        Assert.AreEqual("past + 1", shape.Dim[3].DimParam);
    }

    [TestMethod]
    public void Type_OfEachKind_IsRead()
    {
        Assert.AreEqual((int)DataType.Float8E4M3Fn, Type("float8e4m3fn[1]").TensorType.ElemType);
        Assert.AreEqual((int)DataType.Int64, Type("seq(int64[])").SequenceType.ElemType.TensorType.ElemType);
        Assert.AreEqual((int)DataType.String, Type("map(string, float)").MapType.KeyType);
        Assert.IsNotNull(Type("optional(seq(float))").OptionalType.ElemType.SequenceType);
        Assert.AreEqual(1000, Type("sparse_tensor(float[1000])").SparseTensorType.Shape.Dim[0].DimValue);
    }

    [TestMethod]
    public void Graph_WithInitializers_TellsThemFromDeclarations()
    {
        GraphProto graph = OnnxText.Parse("""
            # A comment.
            g (float[N] x, float[1] c = {0.5}, untyped) => (float[N] y)
            <int64[2] k = {1, -2}, float[N] t, float[2] w = ["location" : "w.data", "offset" : "0", "length" : "8"]>
            {
                t = Add (x, c) # Another.
                y = Neg (t)
            }
            """).Graph;
        CollectionAssert.AreEqual(new[] { "x", "c", "untyped" }, graph.Input.Select(input => input.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "c", "k", "w" }, graph.Initializer.Select(tensor => tensor.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "t" }, graph.ValueInfo.Select(value => value.Name).ToArray());
        CollectionAssert.AreEqual(new[] { 1L, -2L }, graph.Initializer[1].Int64Data);
        Assert.AreEqual(DataLocation.External, graph.Initializer[2].DataLocation);
        Assert.AreEqual("w.data", graph.Initializer[2].ExternalData[0].Value);
        Assert.IsNull(graph.Input[2].Type);
    }

    [TestMethod]
    public void Function_WithTypedInputsAndDefaults_IsRead()
    {
        FunctionProto function = OnnxText.Parse("""
            <ir_version: 10, opset_import: ["" : 21, "local" : 1]>
            g (float[N] x) => (float[N] y) { y = local.scale <gamma = 3.0> (x) }
            <domain: "local", overload: "o", opset_import: ["" : 21], doc_string: "scales">
            scale <gamma, alpha: float = 4.0> (float[N] x, z) => (float[N] y) <float t>
            {
                t = Constant <value_float: float = @alpha> ()
                y = Mul (x, t)
            }
            """).Functions[0];
        Assert.AreEqual("local scale o scales", $"{function.Domain} {function.Name} {function.Overload} {function.DocString}");
        CollectionAssert.AreEqual(new[] { "x", "z" }, function.Input);
        CollectionAssert.AreEqual(new[] { "x", "y", "t" }, function.ValueInfo.Select(value => value.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "gamma" }, function.Attribute);
        Assert.AreEqual(4f, function.AttributeProto[0].F);
        Assert.AreEqual("alpha", function.Node[0].Attribute[0].RefAttrName);
    }

    [TestMethod]
    [DataRow("float16[2] {15360, 65535}", DataType.Float16)]
    [DataRow("bool[2] {0, 1}", DataType.Bool)]
    [DataRow("int8[2] {-128, 127}", DataType.Int8)]
    [DataRow("uint4[3] {33, 15}", DataType.Uint4)]
    public void Tensor_OfANarrowType_HoldsItsBitsInTheInt32Field(string text, DataType type)
    {
        TensorProto tensor = Attribute($"a = {text}").T;
        Assert.AreEqual((int)type, tensor.DataType);
        Assert.AreEqual(2, tensor.Int32Data.Count);
    }

    [TestMethod]
    public void Tensor_OfWideTypes_HoldsEveryValueExactly()
    {
        Assert.AreEqual(ulong.MaxValue, Attribute("a = uint64[1] {18446744073709551615}").T.Uint64Data[0]);
        Assert.AreEqual(long.MinValue, Attribute("a = int64[1] {-9223372036854775808}").T.Int64Data[0]);
        Assert.AreEqual((ulong)uint.MaxValue, Attribute("a = uint32[1] {4294967295}").T.Uint64Data[0]);
        CollectionAssert.AreEqual(new[] { 1.5, -2, 0, double.PositiveInfinity }, Attribute("a = complex128[2] {1.5, -2, 0, Infinity}").T.DoubleData);
        CollectionAssert.AreEqual(new[] { "a", "" }, Attribute("a = string[2] {\"a\", \"\"}").T.StringData.Select(text => text.ToStringUtf8()).ToArray());
    }

    private static NodeProto Node(string text) => OnnxText.Parse($"g () => () {{ {text} }}").Graph.Node[0];

    private static AttributeProto Attribute(string text) => Node($"y = Op <{text}> (x)").Attribute[0];

    private static TypeProto Type(string text) => OnnxText.Parse($"g ({text} x) => () {{}}").Graph.Input[0].Type;
}
