using System.Diagnostics;
using System.Text.Json;

namespace AlignerOnnx.Cli.Tests;

/// <summary>Conversations with lines from a pipe, as a script has them.</summary>
[TestClass]
public sealed class ChatCommandTests
{
    private const string Capital = "What is the capital of France?";
    private const string Pig = "Tell me where a pig lives.";

    private string _root = "";

    [TestInitialize]
    public void MakeFolder() => _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    [TestMethod]
    public async Task Chat_FirstAnswer_IsThatOfGenerateAndLaterOnesKnowWhatWasSaid()
    {
        AlignerProcess.Run chat = (await AlignerProcess.RunWithInputAsync([Capital, "", Pig, "/reset", Pig], "chat", Material.Pocket(), "--json")).Expect(ExitCodes.Done);
        JsonElement[] exchanges = [.. chat.Document.GetProperty("exchanges").EnumerateArray()];
        Assert.HasCount(3, exchanges);
        (string capital, _) = await GenerateAsync(Capital);
        (string pig, int tokens) = await GenerateAsync(Pig);
        Assert.AreEqual(capital, exchanges[0].GetProperty("text").GetString());
        Assert.AreEqual("stop", exchanges[0].GetProperty("finish_reason").GetString());
        Assert.AreEqual(pig, exchanges[2].GetProperty("text").GetString());
        Assert.AreEqual(tokens, exchanges[2].GetProperty("prompt_tokens").GetInt32());
        Assert.IsGreaterThan(tokens, exchanges[1].GetProperty("prompt_tokens").GetInt32(), "the first question and its answer stand before the second");
    }

    [TestMethod]
    public async Task Chat_WithoutJson_WritesOneAnswerALine()
    {
        AlignerProcess.Run chat = (await AlignerProcess.RunWithInputAsync([Capital, "/exit", Pig], "chat", Material.Pocket())).Expect(ExitCodes.Done);
        Assert.AreEqual((await GenerateAsync(Capital)).Text + Environment.NewLine, chat.Output);
        Assert.IsEmpty(chat.Errors);
    }

    /// <summary>One token and three need slots of other layouts: the model is changed underneath the conversation.</summary>
    [TestMethod]
    public async Task Adapter_ChangesWithinTheConversation()
    {
        (string one, string three) = (RandomAdapter.Save(Path.Combine(_root, "one"), 1, seed: 1), RandomAdapter.Save(Path.Combine(_root, "three"), 3, seed: 3));
        AlignerProcess.Run chat = (await AlignerProcess.RunWithInputAsync(
            [Capital, "/reset", $"/adapter {three}", Capital, "/reset", "/adapter", Capital, "/reset", $"/adapter {one}", Capital], "chat", Material.Pocket(), "--adapter", one, "--max-tokens", "24", "--json")).Expect(ExitCodes.Done);
        string[] answers = [.. chat.Document.GetProperty("exchanges").EnumerateArray().Select(exchange => exchange.GetProperty("text").GetString()!)];
        string withOne = (await GenerateAsync(Capital, "--adapter", one, "--max-tokens", "24")).Text;
        string withThree = (await GenerateAsync(Capital, "--adapter", three, "--max-tokens", "24")).Text;
        CollectionAssert.AreEqual(new[] { withOne, withThree, (await GenerateAsync(Capital, "--max-tokens", "24")).Text, withOne }, answers);
        Assert.AreEqual(3, answers.Distinct().Count());
    }

    [TestMethod]
    [DataRow("/adapter none", "none")]
    [DataRow("/adaptor", "no such command")]
    [DataRow(null, "context")]
    public async Task Line_ThatCannotBeUsed_EndsAScript(string? line, string reason)
    {
        AlignerProcess.Run chat = (await AlignerProcess.RunWithInputAsync([line ?? string.Concat(Enumerable.Repeat("a pig lives ", 600)), Capital], "chat", Material.Pocket())).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains(reason, chat.Errors);
        Assert.IsEmpty(chat.Output);
    }

    /// <summary>SIGTERM, which asks the command to stop as Ctrl-C does between answers: Ctrl-C itself is switched off where a shell runs the tests in the background.</summary>
    [TestMethod]
    public async Task Signal_BetweenAnswers_EndsTheConversation()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Inconclusive("Windows has no signal that one process sends another");
        }
        using Process chat = AlignerProcess.Start(["chat", Material.Pocket()]);
        await chat.StandardInput.WriteLineAsync(Capital);
        await chat.StandardInput.FlushAsync();
        Assert.IsNotNull(await chat.StandardOutput.ReadLineAsync());
        await AlignerProcess.SignalAsync(chat, "TERM");
        await chat.WaitForExitAsync();
        Assert.AreEqual(ExitCodes.Cancelled, chat.ExitCode, await chat.StandardError.ReadToEndAsync());
    }

    [TestMethod]
    public void Interrupt_DuringAnAnswer_IsTakenByIt()
    {
        int taken = 0;
        using (Interruption.Take(() => taken++))
        {
            Assert.IsTrue(Interruption.Give());
        }
        Assert.IsFalse(Interruption.Give());
        Assert.AreEqual(1, taken);
    }

    private static async Task<(string Text, int PromptTokens)> GenerateAsync(string prompt, params IReadOnlyList<string> more)
    {
        JsonElement answer = (await AlignerProcess.RunAsync(["generate", Material.Pocket(), "--prompt", prompt, "--json", .. more])).Expect(ExitCodes.Done).Document;
        return (answer.GetProperty("text").GetString()!, answer.GetProperty("prompt_tokens").GetInt32());
    }
}
