using System.Text;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;

namespace AlignerOnnx.Adapters.Tests.Hostile;

/// <summary>Attacks through the files as such: damage, nesting, sizes, and the configuration beside the model.</summary>
[TestClass]
public sealed class FileAttackTests
{
    [TestMethod]
    public void AnEmptyFile_IsRefused() => AssertRefused([], "holds no graph");

    [TestMethod]
    public void ATextFile_IsRefused() => AssertRefused(Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 88388864\n"), "not an ONNX model");

    [TestMethod]
    public void AnArchive_IsRefused() => AssertRefused([0x50, 0x4B, 0x03, 0x04, .. new byte[100]], "not an ONNX model");

    [TestMethod]
    public void AModelCutOffAnywhere_IsRefused()
    {
        using HostileModel model = new();
        byte[] whole = File.ReadAllBytes(model.OnnxFile);
        const int seed = 4;
        Random random = new(seed);
        int[] cuts = [.. Enumerable.Range(0, 64), .. Enumerable.Range(0, 200).Select(_ => random.Next(whole.Length)), .. Enumerable.Range(1, 64).Select(i => whole.Length - i)];
        foreach (int cut in cuts)
        {
            File.WriteAllBytes(model.OnnxFile, whole[..cut]);
            ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => ModelLoader.Load(model.Folder), $"cut at {cut} of {whole.Length}, seed {seed}");
            Assert.IsTrue(refusal.What.Contains("not an ONNX model", StringComparison.Ordinal) || refusal.Message.Contains("cut off", StringComparison.Ordinal), refusal.Message);
        }
    }

    [TestMethod]
    public void SubgraphsNested10000Deep_AreRefused()
    {
        // Written innermost first, as building the message itself would recurse: graph 7, then node 1, attribute 5, graph 6 again and again.
        byte[] inner = [];
        for (int depth = 0; depth < 10_000; depth++)
        {
            inner = Field(1, Field(5, Field(6, inner)));
        }
        AssertRefused(Field(7, inner), "not an ONNX model");
    }

    [TestMethod]
    public void TenMillionEmptyNodes_AreRefusedBeforeTheyAreBuilt()
    {
        byte[] nodes = new byte[20_000_000];
        for (int i = 0; i < nodes.Length; i += 2)
        {
            nodes[i] = 0x0A;
        }
        long before = GC.GetTotalAllocatedBytes();
        AssertRefused(Field(7, nodes), "graph is too large");
        Assert.IsLessThan(400L << 20, GC.GetTotalAllocatedBytes() - before);
    }

    [TestMethod]
    public void TenMillionNodesClaimedButNotThere_AreRefused() => AssertRefused([0x3A, 0x80, 0xDA, 0xC4, 0x09, 0x0A, 0x00], "not an ONNX model");

    [TestMethod]
    public void ManyDimensionsOfOneByte_AreRefusedBeforeTheyAreBuilt() => AssertRefused(Field(7, Field(5, Field(1, new byte[200_000_000]))), "graph is too large");

    [TestMethod]
    [DataRow("{", "cannot be read")]
    [DataRow("[]", "cannot be read")]
    [DataRow("{\"model\": 7}", "cannot be read")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": 7}}}", "cannot be read")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": null}}}", "leaves the model's folder")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": \"../outside\"}}}", "leaves the model's folder")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": \"/etc/passwd\"}}}", "leaves the model's folder")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": \"..\\\\outside\"}}}", "leaves the model's folder")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": \"model.onnx\\u0000.txt\"}}}", "leaves the model's folder")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": \"\\ud800\"}}}", "cannot be read")]
    [DataRow("{\"model\": {\"decoder\": {\"filename\": \"other.onnx\"}}}", "lacks its .onnx file")]
    public void AConfigurationThatCannotBe_IsRefused(string json, string reason)
    {
        using HostileModel model = new();
        File.WriteAllText(Path.Combine(model.Folder, "genai_config.json"), json);
        model.AssertRefused(reason, "");
    }

    [TestMethod]
    public void AConfigurationNested100000Deep_IsRefused()
    {
        using HostileModel model = new();
        File.WriteAllText(Path.Combine(model.Folder, "genai_config.json"), string.Concat(Enumerable.Repeat("{\"model\":", 100_000)));
        model.AssertRefused("cannot be read", "depth");
    }

    [TestMethod]
    public void AConfigurationOf20Megabytes_IsRefused()
    {
        using HostileModel model = new();
        using (FileStream stream = File.Create(Path.Combine(model.Folder, "genai_config.json")))
        {
            stream.SetLength(20 << 20);
        }
        model.AssertRefused("too large", "genai_config.json");
    }

    [TestMethod]
    public void FactsOfAPatchBesideTheModel_AreReplacedAndNeverWrittenThrough()
    {
        using HostileModel model = new();
        string facts = Path.Combine(model.Folder, ModelPatcher.FactsFile);
        File.WriteAllText(facts, "theirs");
        ModelPatcher.Patch(model.Folder, model.Outside, WeightCopy.Link);
        Assert.AreEqual("theirs", File.ReadAllText(facts));
        Assert.Contains("one-token", File.ReadAllText(Path.Combine(model.Outside, ModelPatcher.FactsFile)));
    }

    private static void AssertRefused(byte[] file, string what)
    {
        using HostileModel model = new();
        File.WriteAllBytes(model.OnnxFile, file);
        model.AssertRefused(what, "model.onnx");
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
