using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.TestMaterial;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Lowering;

[TestClass]
public sealed class EmbeddingLoweringTests
{
    private const int Words = 7;
    private const int Block = 16;
    private static readonly long[] Ids = [3, 0, 6, 6, 1, 5];

    [TestMethod]
    [DataRow(4, 3, true)]
    [DataRow(4, 4, true)]
    [DataRow(4, 2, false)]
    [DataRow(8, 3, true)]
    [DataRow(8, 2, false)]
    public void Apply_TableOfBytes_GivesTheSameRows(int bits, int blocks, bool zeroPoints)
    {
        OnnxModel model = Embedding(bits, blocks, zeroPoints, DataType.Uint8);
        OnnxModel lowered = model.Clone();
        EmbeddingLowering.Apply(lowered.Graph);
        Assert.IsFalse(lowered.Graph.Nodes.Any(node => node.OpType == "GatherBlockQuantized"));
        (float[] expected, long[] shape) = Run(model);
        (float[] actual, long[] same) = Run(lowered);
        CollectionAssert.AreEqual(shape, same);
        // (q - zero) * scale in float32, in both.
        CollectionAssert.AreEqual(expected, actual);
    }

    [TestMethod]
    public void Apply_TableOfFourBitElements_StaysAsItIs()
    {
        OnnxModel model = Embedding(bits: 4, blocks: 2, zeroPoints: false, DataType.Uint4);
        EmbeddingLowering.Apply(model.Graph);
        Assert.AreEqual("GatherBlockQuantized", model.Graph.Nodes[0].OpType);
    }

    // 7 rows of two blocks of 16 elements.
    [TestMethod]
    [DataRow("", "", true, DisplayName = "token ids pick rows of bytes")]
    [DataRow("gather_axis = 0", "gather_axis = 1", false, DisplayName = "columns are picked")]
    [DataRow("(table, input_ids,", "(table, next,", false, DisplayName = "by other numbers than token ids")]
    [DataRow("bits = 4", "bits = 2", false, DisplayName = "elements of 2 bits")]
    [DataRow("uint8[7, 16]", "uint8[7, 15]", false, DisplayName = "rows that end within a block")]
    [DataRow("uint8[7, 16]", "uint4[7, 16]", false, DisplayName = "a table of 4-bit elements")]
    [DataRow("float[7, 2]", "float16[7, 2]", false, DisplayName = "scales of half precision")]
    [DataRow("float[7, 2]", "float[14]", false, DisplayName = "scales in one line")]
    public void Apply_LowersTablesOfBytesWithWholeBlocksAlone(string part, string replacement, bool lowered)
    {
        string text = """
            g (int64[b, s] input_ids) => (float[b, s, 32] y) <uint8[7, 16] table = ["location": "t"], float[7, 2] scales = ["location": "s"]>
            { next = Neg (input_ids) rows = com.microsoft.GatherBlockQuantized <bits = 4, block_size = 16, gather_axis = 0, quantize_axis = 1> (table, input_ids, scales) y = Neg (rows) }
            """;
        text = part.Length == 0 ? text : text.With(part, replacement);
        // As many elements as the scales want, where they are smaller.
        OnnxModel model = OnnxText.Load(replacement == "bits = 2" ? text.With("uint8[7, 16]", "uint8[7, 8]") : text);
        EmbeddingLowering.Apply(model.Graph);
        Assert.AreEqual(!lowered, model.Graph.Nodes.Any(node => node.OpType == "GatherBlockQuantized"));
    }

    private static (float[] Data, long[] Shape) Run(OnnxModel model)
    {
        using GraphRunner runner = new(model);
        return runner.RunFirst(("input_ids", Ids, [2, 3]));
    }

    private static OnnxModel Embedding(int bits, int blocks, bool zeroPoints, DataType type)
    {
        ModelProto proto = new() { IrVersion = 10, Graph = new GraphProto { Name = "embedding" } };
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = 21 });
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = Domains.Microsoft, Version = 1 });
        OnnxModel model = ModelLoader.FromProto(proto);
        OnnxGraph graph = model.Graph;
        Random random = new(bits + blocks);
        byte[] Bytes(int count)
        {
            byte[] bytes = new byte[count];
            random.NextBytes(bytes);
            return bytes;
        }
        Value ids = graph.AddInput("input_ids", Shapes.Declare(DataType.Int64, "b", "s"));
        int rowBytes = blocks * Block * bits / 8;
        int zeroBytes = ((blocks * bits) + 7) / 8;
        Value table = graph.AddInitializer(Tensor.Inline("table", type, Bytes(Words * rowBytes), Words, type == DataType.Uint4 ? rowBytes * 2 : rowBytes));
        Value scales = graph.AddInitializer(Tensor.Of("scales", RandomWeights.Numbers(random, Words * blocks), Words, blocks));
        Value? zeros = zeroPoints ? graph.AddInitializer(Tensor.Inline("zeros", DataType.Uint8, Bytes(Words * zeroBytes), Words, zeroBytes)) : null;
        Node node = graph.AddNode("GatherBlockQuantized", Domains.Microsoft, "", zeros is null ? [table, ids, scales] : [table, ids, scales, zeros], ["rows"],
            NodeAttributes.Of("block_size", (long)Block), NodeAttributes.Of("bits", (long)bits), NodeAttributes.Of("gather_axis", 0L), NodeAttributes.Of("quantize_axis", 1L));
        graph.AddOutput(graph.AddNode("Identity", Domains.Standard, "", [node.Output], ["result"]).Output, Shapes.Declare(DataType.Float, "b", "s", blocks * Block));
        return model;
    }
}
