using System.Text.Json;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class InspectCommandTests
{
    [TestMethod]
    [DataRow("model-int4")]
    [DataRow("model-fp32")]
    public async Task Inspect_EmbeddedModel_ReportsEverySiteAndTheSizeOfAnAdapter(string folder)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", Material.Pocket(folder), "--json")).Expect(ExitCodes.Done);
        JsonElement[] sites = [.. run.Document.GetProperty("sites").EnumerateArray()];
        Assert.HasCount(6, sites);
        for (int layer = 0; layer < sites.Length; layer++)
        {
            Assert.AreEqual(layer, sites[layer].GetProperty("layer").GetInt32());
            Assert.AreEqual("GroupQueryAttention", sites[layer].GetProperty("form").GetString());
            Assert.IsTrue(sites[layer].GetProperty("patchable").GetBoolean());
            Assert.AreEqual(JsonValueKind.Null, sites[layer].GetProperty("reason").ValueKind);
        }
        // One token of 128 elements, and 4 gates in each of the layers 2 to 5 (the model card's figure).
        Assert.AreEqual(144, run.Document.GetProperty("trainable_parameters").GetInt64());
        Assert.IsEmpty(run.Errors);
    }

    [TestMethod]
    public async Task Inspect_AsJson_GivesWhatAProgramNeedsToAct()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", Material.Pocket(), "--json")).Expect(ExitCodes.Done);
        JsonElement site = run.Document.GetProperty("sites")[0];
        Assert.AreEqual("float", site.GetProperty("element_type").GetString());
        Assert.AreEqual("MatMulNBits 4 bit", site.GetProperty("projections").GetProperty("value").GetString());
        // The model card: 4 query and 2 key/value heads of 32.
        JsonElement heads = site.GetProperty("heads");
        Assert.AreEqual((4, 2, 32), (heads.GetProperty("query").GetInt32(), heads.GetProperty("key_value").GetInt32(), heads.GetProperty("size").GetInt32()));
        Assert.IsTrue(site.GetProperty("rotary").GetProperty("inside_core").GetBoolean());
        Assert.IsTrue(site.GetProperty("cache").GetBoolean());
        CollectionAssert.AreEqual(new[] { "one-token", "many-token", "portable", "prefix" },
            run.Document.GetProperty("layouts").EnumerateArray().Where(layout => layout.GetProperty("possible").GetBoolean()).Select(layout => layout.GetProperty("name").GetString()).ToArray());
    }

    [TestMethod]
    public async Task Inspect_TenTokens_CountsThem()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", Material.Pocket(), "--tokens", "10", "--json")).Expect(ExitCodes.Done);
        Assert.AreEqual(1296, run.Document.GetProperty("trainable_parameters").GetInt64());
    }

    [TestMethod]
    public async Task Inspect_ForAPerson_ShowsEachLayerOnRequest()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", Material.Pocket(), "--explain")).Expect(ExitCodes.Done);
        Assert.Contains("6 of 6 can be patched", run.Output);
        Assert.HasCount(6, run.Output.Split('\n').Where(line => line.Contains(" yes ", StringComparison.Ordinal)).ToArray());
    }

    [TestMethod]
    [DataRow("--tokens", "0")]
    [DataRow("--tokens", "many")]
    [DataRow("--start-layer", "-1")]
    public async Task Inspect_NumberOutOfRange_IsAUsageError(string option, string value)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", Material.Pocket(), option, value)).Expect(ExitCodes.Usage);
        Assert.Contains(option, run.Errors);
    }

    [TestMethod]
    public async Task Inspect_AnotherArchitecture_ReportsWhyNotAndIsRefused()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", Material.Shared("exports", "genai_tiny-random-gpt2-fp32"), "--json")).Expect(ExitCodes.ModelRefused);
        JsonElement site = run.Document.GetProperty("sites")[0];
        Assert.IsFalse(site.GetProperty("patchable").GetBoolean());
        Assert.Contains("learned position embeddings", site.GetProperty("reason").GetString()!);
        Assert.Contains("what to do:", run.Errors);
    }

    [TestMethod]
    public async Task Inspect_AnotherArchitectureExplained_AdvisesNothingThatWasDone()
    {
        string model = Material.Shared("exports", "genai_tiny-random-gpt2-fp32");
        Assert.Contains("inspect --explain", (await AlignerProcess.RunAsync("inspect", model)).Expect(ExitCodes.ModelRefused).Errors);
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", model, "--explain")).Expect(ExitCodes.ModelRefused);
        Assert.Contains("learned position embeddings", run.Errors);
        Assert.DoesNotContain("--explain", run.Errors);
    }

    [TestMethod]
    public async Task Inspect_NoProducer_IsUnknown()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string file = Path.Combine(folder, "model.onnx");
            ModelProto proto = ModelProto.Parser.ParseFrom(await File.ReadAllBytesAsync(Path.Combine(Material.Pocket(), "model.onnx")));
            proto.ClearProducerName();
            await File.WriteAllBytesAsync(file, proto.ToByteArray());
            Assert.Contains("producer          unknown, IR", (await AlignerProcess.RunAsync("inspect", file)).Expect(ExitCodes.Done).Output);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public async Task Inspect_MissingModel_IsRefused()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", "no-such-model", "--json")).Expect(ExitCodes.ModelRefused);
        Assert.AreEqual("model-refused", run.Document.GetProperty("error").GetProperty("kind").GetString());
        Assert.Contains("where: no-such-model", run.Errors);
    }

    [TestMethod]
    public async Task Inspect_AGraphWithoutItsWeights_ReportsItAndSaysWhatIsMissing()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string file = Path.Combine(folder, "model.onnx");
            File.Copy(Path.Combine(Material.Pocket(), "model.onnx"), file);
            AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", file, "--json")).Expect(ExitCodes.Done);
            Assert.AreEqual(144, run.Document.GetProperty("trainable_parameters").GetInt64());
            CollectionAssert.AreEqual(new[] { "model.onnx.data" }, run.Document.GetProperty("missing_files").EnumerateArray().Select(name => name.GetString()).ToArray());
            Assert.Contains("model.onnx.data are missing", run.Errors);

            AlignerProcess.Run patch = (await AlignerProcess.RunAsync("patch", file, "-o", Path.Combine(folder, "patched"))).Expect(ExitCodes.ModelRefused);
            Assert.Contains("A file of the model is missing", patch.Errors);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public async Task Inspect_TruncatedModel_IsRefused()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string file = Path.Combine(folder, "model.onnx");
            byte[] whole = await File.ReadAllBytesAsync(Path.Combine(Material.Pocket(), "model.onnx"));
            await File.WriteAllBytesAsync(file, whole[..(whole.Length / 2)]);
            AlignerProcess.Run run = (await AlignerProcess.RunAsync("inspect", file)).Expect(ExitCodes.ModelRefused);
            Assert.Contains(file, run.Errors);
            Assert.DoesNotContain("   at ", run.Errors);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
