using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph.Tests;

/// <summary>Loading: what is refused and why, and that a round trip keeps the model.</summary>
[TestClass]
public sealed class ModelLoaderTests
{
    private string _folder = "";

    [TestInitialize]
    public void MakeFolder() => _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Load_OfEmbeddedModel_KeepsEveryNodeAndInitializer()
    {
        ModelProto original = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Material.Pocket(), "model.onnx")));
        ModelProto saved = ModelLoader.Load(Material.Pocket()).ToProto();
        CollectionAssert.AreEqual(original.Graph.Node.Select(node => node.ToByteString()).ToArray(), saved.Graph.Node.Select(node => node.ToByteString()).ToArray());
        CollectionAssert.AreEquivalent(original.Graph.Initializer.ToArray(), saved.Graph.Initializer.ToArray());
        CollectionAssert.AreEqual(original.Graph.Input.ToArray(), saved.Graph.Input.ToArray());
        CollectionAssert.AreEqual(original.Graph.Output.ToArray(), saved.Graph.Output.ToArray());
        CollectionAssert.AreEquivalent(original.Graph.ValueInfo.ToArray(), saved.Graph.ValueInfo.ToArray());
        CollectionAssert.AreEqual(original.OpsetImport.ToArray(), saved.OpsetImport.ToArray());
        CollectionAssert.AreEqual(original.MetadataProps.ToArray(), saved.MetadataProps.ToArray());
    }

    /// <summary>A folder of one .onnx file and no genai_config.json, by a path that is relative to where the process runs.</summary>
    [TestMethod]
    public void FindOnnxFile_OfARelativeFolderWithoutConfig_IsItsOnlyFile()
    {
        string file = Path.Combine(_folder, "model.onnx");
        File.WriteAllText(file, "");
        Assert.AreEqual(file, ModelPaths.FindOnnxFile(Path.GetRelativePath(Environment.CurrentDirectory, _folder)));
    }

    [TestMethod]
    public void Load_OfTruncatedFile_IsRefused()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(Material.Pocket(), "model.onnx"));
        File.WriteAllBytes(Path.Combine(_folder, "model.onnx"), whole[..(whole.Length / 2)]);
        AssertRefused("cut off");
    }

    /// <summary>A graph of two bytes, in which a field begins whose length of 2^63 takes nine more.</summary>
    [TestMethod]
    public void Load_OfALengthThatReachesBehindItsMessage_IsRefused()
    {
        File.WriteAllBytes(Path.Combine(_folder, "model.onnx"), Convert.FromHexString("3A020A80808080808080808001"));
        AssertRefused("file");
    }

    [TestMethod]
    public void Load_WithoutDataFile_IsRefusedWithItsName()
    {
        File.Copy(Path.Combine(Material.Pocket(), "model.onnx"), Path.Combine(_folder, "model.onnx"));
        StringAssert.Contains(AssertRefused("missing").Found, "model.onnx.data");
    }

    [TestMethod]
    [DataRow("../secret", "leaves")]
    [DataRow("/etc/passwd", "leaves")]
    [DataRow("a/../../b", "leaves")]
    [DataRow("..\\secret", "leaves")]
    [DataRow("", "no location")]
    public void Load_OfExternalDataOutsideTheFolder_IsRefused(string location, string reason)
    {
        WriteModel(External(location, "0", "8"));
        AssertRefused(reason);
    }

    [TestMethod]
    [DataRow("-8", "8")]
    [DataRow("0", "-8")]
    [DataRow("9223372036854775807", "8")]
    [DataRow("0", "9")]
    [DataRow("8", "8")]
    [DataRow("zero", "8")]
    public void Load_OfARegionThatDoesNotFit_IsRefused(string offset, string length)
    {
        File.WriteAllBytes(Path.Combine(_folder, "data"), new byte[12]);
        WriteModel(External("data", offset, length));
        Assert.ThrowsExactly<ModelRefusedException>(() => ModelLoader.Load(Path.Combine(_folder, "model.onnx")));
    }

    [TestMethod]
    public void Load_OfALinkedDataFile_IsRefused()
    {
        string outside = Path.Combine(_folder, "outside");
        File.WriteAllBytes(outside, new byte[8]);
        File.CreateSymbolicLink(Path.Combine(_folder, "data"), outside);
        WriteModel(External("data", "0", "8"));
        AssertRefused("link");
    }

    [TestMethod]
    public void Load_OfOverflowingShape_IsRefused()
    {
        TensorProto tensor = External("data", "0", "8");
        tensor.Dims.Clear();
        tensor.Dims.AddRange([long.MaxValue, 2]);
        WriteModel(tensor);
        AssertRefused("overflow");
    }

    [TestMethod]
    public void Load_OfNodesInACycle_IsRefused()
    {
        NodeProto a = new() { OpType = "Neg", Input = { "b" }, Output = { "a" } };
        NodeProto b = new() { OpType = "Neg", Input = { "a" }, Output = { "b" } };
        WriteModel(External("data", "0", "8"), a, b);
        File.WriteAllBytes(Path.Combine(_folder, "data"), new byte[8]);
        AssertRefused("depend on each other in a cycle");
    }

    [TestMethod]
    public void Load_OfTwoValuesWithOneName_IsRefused()
    {
        NodeProto a = new() { OpType = "Neg", Input = { "x" }, Output = { "a" } };
        WriteModel(External("data", "0", "8"), a, a.Clone());
        AssertRefused("same name");
    }

    [TestMethod]
    public void Load_OfAGraphWithoutOutputs_IsRefused()
    {
        ModelProto proto = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Material.Pocket(), "model.onnx")));
        proto.Graph.Output.Clear();
        File.WriteAllBytes(Path.Combine(_folder, "model.onnx"), proto.ToByteArray());
        File.Copy(Path.Combine(Material.Pocket(), "model.onnx.data"), Path.Combine(_folder, "model.onnx.data"));
        AssertRefused("has no output");
    }

    [TestMethod]
    public void Load_OfDeeplyNestedSubgraphs_IsRefused()
    {
        // Written by hand, innermost first, as building the message itself would recurse: field 7 (graph), 1 (node), 5 (attribute), 6 (graph) ...
        byte[] inner = [];
        for (int depth = 0; depth < 10_000; depth++)
        {
            inner = Field(1, Field(5, Field(6, inner)));
        }
        File.WriteAllBytes(Path.Combine(_folder, "model.onnx"), Field(7, inner));
        AssertRefused("not an ONNX model");
    }

    private ModelRefusedException AssertRefused(string reason)
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => ModelLoader.Load(Path.Combine(_folder, "model.onnx")));
        StringAssert.Contains(refusal.Message, reason);
        return refusal;
    }

    private static TensorProto External(string location, string offset, string length)
    {
        TensorProto tensor = new() { Name = "w", DataType = (int)DataType.Float, DataLocation = DataLocation.External, Dims = { 2 } };
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = offset });
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = length });
        return tensor;
    }

    private void WriteModel(TensorProto tensor, params NodeProto[] nodes)
    {
        GraphProto graph = new() { Name = "test", Initializer = { tensor }, Input = { new ValueInfoProto { Name = "x" } }, Output = { new ValueInfoProto { Name = "x" } } };
        graph.Node.AddRange(nodes);
        File.WriteAllBytes(Path.Combine(_folder, "model.onnx"), new ModelProto { IrVersion = 10, Graph = graph, OpsetImport = { new OperatorSetIdProto { Version = 21 } } }.ToByteArray());
    }

    private static byte[] Field(int number, byte[] content)
    {
        using MemoryStream stream = new();
        using (CodedOutputStream coded = new(stream, leaveOpen: true))
        {
            coded.WriteTag(number, WireFormat.WireType.LengthDelimited);
            coded.WriteLength(content.Length);
        }
        stream.Write(content);
        return stream.ToArray();
    }
}
