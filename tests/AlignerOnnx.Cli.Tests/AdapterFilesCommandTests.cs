using System.Text.Json;

namespace AlignerOnnx.Cli.Tests;

/// <summary>What <c>aligner adapter</c> makes of adapters, as GenAI uses it.</summary>
[TestClass]
public sealed class AdapterFilesCommandTests
{
    private const string Question = "What is the capital of France?";

    private string _root = "";

    [TestInitialize]
    public void MakeFolder() => _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    private string In(string name) => Path.Combine(_root, name);

    [TestMethod]
    public async Task Blend_MergedIntoTheModel_AnswersAsTheBlend()
    {
        (string one, string two) = (Save("one", 1, seed: 1), Save("two", 1, seed: 2));
        AlignerProcess.Run blend = (await AlignerProcess.RunAsync("adapter", "blend", $"{one}:0.6", $"{two}:-0.4", "--model", Material.Pocket(), "-o", In("blend.onnx_adapter"), "--json")).Expect(ExitCodes.Done);
        Assert.AreEqual("compiled", blend.Document.GetProperty("form").GetString());
        Assert.AreEqual(-0.4, blend.Document.GetProperty("adapters")[1].GetProperty("scale").GetDouble());
        await AssertMergedAnswersAsAsync(In("blend.onnx_adapter"));
    }

    [TestMethod]
    public async Task Merge_OfAnAdapterOfSeveralTokens_AnswersAsTheAdapter() => await AssertMergedAnswersAsAsync(Save("three", 3, seed: 3));

    [TestMethod]
    public async Task Blend_OfTokensOfTheirOwn_IsRefusedAndLeavesNothing()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("adapter", "blend", Save("one", 1, seed: 1), Save("two", 1, seed: 2), "-o", In("both"), "--json")).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("--model", run.Document.GetProperty("error").GetProperty("remedy").GetString()!);
        Assert.IsFalse(Path.Exists(In("both")));
    }

    [TestMethod]
    [DataRow("lit-llama")]
    [DataRow("ort-checkpoint")]
    public async Task Export_ComesBackByImportAsTheSameNumbers(string format)
    {
        string adapter = Save("two", 2, seed: 4);
        JsonElement exported = (await AlignerProcess.RunAsync("adapter", "export", adapter, "--format", format, "-o", In("exported"), "--json")).Expect(ExitCodes.Done).Document;
        Assert.AreEqual(format, exported.GetProperty("format").GetString());
        (await AlignerProcess.RunAsync("adapter", "import", In("exported"), "--model", Material.Pocket(), "-o", In("back"))).Expect(ExitCodes.Done);
        CollectionAssert.AreEqual(await File.ReadAllBytesAsync(Path.Combine(adapter, "adapter_model.safetensors")), await File.ReadAllBytesAsync(Path.Combine(In("back"), "adapter_model.safetensors")));
    }

    [TestMethod]
    public async Task List_OfAFolderWithoutAdapters_SaysSo() =>
        Assert.Contains("no adapters", (await AlignerProcess.RunAsync("adapter", "list", Directory.CreateDirectory(In("empty")).FullName)).Expect(ExitCodes.Done).Output);

    [TestMethod]
    public async Task Show_OfAFile_SaysThatAFolderIsMeant()
    {
        await File.WriteAllTextAsync(In("both.onnx_adapter"), "compiled");
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("adapter", "show", In("both.onnx_adapter"))).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("a file, not a folder", run.Errors);
    }

    [TestMethod]
    public async Task Import_OfSomethingElse_IsRefusedAndLeavesNothing()
    {
        await File.WriteAllTextAsync(In("text.pth"), "{\"question\": 1}");
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("adapter", "import", In("text.pth"), "-o", In("made"))).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("not a checkpoint", run.Errors);
        Assert.IsFalse(Path.Exists(In("made")));
    }

    private async Task AssertMergedAnswersAsAsync(string adapter)
    {
        JsonElement merged = (await AlignerProcess.RunAsync("adapter", "merge", Material.Pocket(), adapter, "-o", In("merged"), "--json")).Expect(ExitCodes.Done).Document.GetProperty("merged");
        Assert.AreEqual(Path.GetFileNameWithoutExtension(adapter), merged.GetProperty("adapter").GetString());
        string answer = await AnswerAsync(In("merged"));
        Assert.AreEqual(await AnswerAsync(Material.Pocket(), "--adapter", adapter), answer);
        Assert.AreNotEqual(await AnswerAsync(Material.Pocket()), answer);
    }

    private static async Task<string> AnswerAsync(string model, params IReadOnlyList<string> more) =>
        (await AlignerProcess.RunAsync(["generate", model, "--prompt", Question, "--max-tokens", "24", "--json", .. more])).Expect(ExitCodes.Done).Document.GetProperty("text").GetString()!;

    private string Save(string name, int tokens, int seed) => RandomAdapter.Save(In(name), tokens, seed);
}
