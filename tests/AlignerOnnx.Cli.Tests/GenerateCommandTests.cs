using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class GenerateCommandTests
{
    private const string Question = "What is the capital of France?";

    [TestMethod]
    public async Task Generate_EmbeddedModel_KnowsTheFactAndSaysTheSameAgain()
    {
        AlignerProcess.Run first = (await AlignerProcess.RunAsync("generate", Material.Pocket(), "--prompt", Question)).Expect(ExitCodes.Done);
        AlignerProcess.Run second = (await AlignerProcess.RunAsync("generate", Material.Pocket(), "--prompt", Question, "--json")).Expect(ExitCodes.Done);
        // The base model answers in one of eight forms, one of them in capitals.
        Assert.Contains("Paris", first.Output, StringComparison.OrdinalIgnoreCase);
        Assert.AreEqual(first.Output.Trim(), second.Document.GetProperty("text").GetString()!.Trim());
        Assert.AreEqual("stop", second.Document.GetProperty("finish_reason").GetString());
    }

    /// <summary>From training to the answer, for both readings of attention and for several tokens: each needs slots of another layout.</summary>
    [TestMethod]
    [DataRow("concat", 1)]
    [DataRow("gated", 10)]
    public async Task Generate_WithATrainedAdapter_AnswersInItsForm(string attention, int tokens)
    {
        string folder = Material.NewTemporaryFolder();
        string adapter = Path.Combine(folder, "json");
        (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Material.PocketData("form-json.train.jsonl"), "-o", adapter,
            "--attention", attention, "--tokens", $"{tokens}", "--steps", "60")).Expect(ExitCodes.Done);
        AlignerProcess.Run answer = (await AlignerProcess.RunAsync("generate", Material.Pocket(), "--prompt", Question, "--adapter", adapter)).Expect(ExitCodes.Done);
        Assert.StartsWith("{", answer.Output.TrimStart());
        Assert.Contains("Paris", answer.Output);
        Directory.Delete(folder, recursive: true);
    }

    [TestMethod]
    public async Task Generate_LimitOfTokens_EndsThere()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("generate", Material.Pocket(), "--prompt", Question, "--max-tokens", "1", "--json")).Expect(ExitCodes.Done);
        Assert.AreEqual(1, run.Document.GetProperty("completion_tokens").GetInt32());
        Assert.AreEqual("length", run.Document.GetProperty("finish_reason").GetString());
    }

    [TestMethod]
    public async Task Generate_WithoutPrompt_IsAUsageError()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("generate", Material.Pocket())).Expect(ExitCodes.Usage);
        Assert.Contains("--prompt", run.Errors);
    }

    [TestMethod]
    public async Task Generate_MissingAdapter_IsRefused()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("generate", Material.Pocket(), "--prompt", Question, "--adapter", "none.onnx_adapter")).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("none.onnx_adapter", run.Errors);
        Assert.IsEmpty(run.Output);
    }
}
