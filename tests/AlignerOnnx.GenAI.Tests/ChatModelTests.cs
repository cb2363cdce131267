using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

[TestClass]
public sealed class ChatModelTests
{
    private static ChatModel s_model = null!;

    [ClassInitialize]
    public static void Load(TestContext _) => s_model = new ChatModel(Material.Pocket());

    [ClassCleanup]
    public static void Free() => s_model.Dispose();

    [TestMethod]
    public void EncodeDecode_PlainText_RoundTrips()
    {
        const string text = "What is the capital of France? Größe, 漢字, 🙂.";
        Assert.AreEqual(text, s_model.Decode(s_model.Encode(text)));
    }

    [TestMethod]
    public void ApplyChatTemplate_Conversation_FollowsTheModelsTemplate()
    {
        string text = s_model.ApplyChatTemplate([new("user", "Hi \"you\""), new("assistant", "Yo")], addGenerationPrompt: true);
        Assert.AreEqual("<|user|>\nHi \"you\"<|end|>\n<|assistant|>\nYo<|end|>\n<|assistant|>\n", text);
        Assert.AreEqual("<|user|>\nHi<|end|>\n", s_model.ApplyChatTemplate([new("user", "Hi")], addGenerationPrompt: false));
    }

    [TestMethod]
    public void Generate_Greedy_IsDeterministicAndEndsByItself()
    {
        GeneratedToken[] first = [.. s_model.Generate(Ask("Tell me where a pig lives."))];
        GeneratedToken[] second = [.. s_model.Generate(Ask("Tell me where a pig lives."))];
        CollectionAssert.AreEqual(first, second);
        StringAssert.Contains(Text(first), "sty");
        Assert.AreEqual(FinishReason.Stop, first[^1].Finish);
        Assert.IsTrue(first[..^1].All(t => t.Finish == FinishReason.None));
    }

    [TestMethod]
    public void Generate_ManyAtOnce_AnswersAsAlone()
    {
        string[] questions = ["Tell me where a pig lives.", "Tell me the sum of three and one.", "What is the capital of France?"];
        string[] alone = [.. questions.Select(q => Text(s_model.Generate(Ask(q))))];
        string[] together = new string[12];
        Parallel.For(0, together.Length, i => together[i] = Text(s_model.Generate(Ask(questions[i % 3]))));
        for (int i = 0; i < together.Length; i++)
        {
            Assert.AreEqual(alone[i % 3], together[i]);
        }
    }

    [TestMethod]
    public void Generate_SameSeed_DrawsTheSame()
    {
        GenerationRequest request = Ask("Tell me where a pig lives.") with { Temperature = 1.5f, Seed = 7 };
        Assert.AreEqual(Text(s_model.Generate(request)), Text(s_model.Generate(request)));
        IEnumerable<string> drawn = Enumerable.Range(0, 8).Select(seed => Text(s_model.Generate(request with { Seed = seed })));
        Assert.IsGreaterThan(1, drawn.Distinct().Count());
    }

    [TestMethod]
    public void Generate_FewNewTokens_EndsByLength()
    {
        GeneratedToken[] tokens = [.. s_model.Generate(Ask("Tell me where a pig lives.") with { MaxNewTokens = 2 })];
        Assert.HasCount(2, tokens);
        Assert.AreEqual(FinishReason.Length, tokens[1].Finish);
    }

    [TestMethod]
    public void Generate_StopString_EndsBeforeIt()
    {
        string whole = Text(s_model.Generate(Ask("Tell me where a pig lives.")));
        string stop = whole[(whole.Length / 2)..][..2];
        GeneratedToken[] cut = [.. s_model.Generate(Ask("Tell me where a pig lives.") with { StopStrings = [stop] })];
        Assert.AreEqual(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], Text(cut));
        Assert.AreEqual(FinishReason.Stop, cut[^1].Finish);
    }

    [TestMethod]
    public void Generate_PromptFillsContext_IsRefused()
    {
        GenerationRequest request = new() { PromptIds = [.. Enumerable.Repeat(5, 512)] };
        PromptTooLongException e = Assert.ThrowsExactly<PromptTooLongException>(() => s_model.Generate(request).ToList());
        Assert.AreEqual(512, e.ContextLength);
    }

    [TestMethod]
    public void Generate_UnknownAdapter_IsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(() => s_model.Generate(Ask("Hi") with { Adapter = "nobody" }).ToList());

    [TestMethod]
    public async Task GenerateAsync_Cancelled_StopsAndLeavesTheModelUsable()
    {
        using CancellationTokenSource source = new();
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (GeneratedToken _ in s_model.GenerateAsync(Ask("Tell me where a pig lives."), source.Token))
            {
                await source.CancelAsync();
                await Task.Delay(1, CancellationToken.None);
                source.Token.ThrowIfCancellationRequested();
            }
        });
        Assert.IsNotEmpty(Text(s_model.Generate(Ask("Hi"))));
    }

    [TestMethod]
    public void Dispose_WhileGenerating_LetsTheAnswerFinish()
    {
        ChatModel model = new(Material.Pocket());
        GenerationRequest request = new() { PromptIds = model.Encode(Prompt("Tell me where a pig lives.")), Temperature = 0 };
        List<GeneratedToken> tokens = [];
        foreach (GeneratedToken token in model.Generate(request))
        {
            model.Dispose();
            tokens.Add(token);
        }
        StringAssert.Contains(Text(tokens), "sty");
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Encode("x"));
    }

    private static string Prompt(string question) => s_model.ApplyChatTemplate([new ChatTurn("user", question)]);

    private static GenerationRequest Ask(string question) => new() { PromptIds = s_model.Encode(Prompt(question)), Temperature = 0 };

    private static string Text(IEnumerable<GeneratedToken> tokens) => string.Concat(tokens.Select(t => t.Text));
}
