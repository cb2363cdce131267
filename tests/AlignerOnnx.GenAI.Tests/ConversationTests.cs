using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>What a conversation remembers.</summary>
[TestClass]
public sealed class ConversationTests
{
    private const string Question = "What is the capital of France?";

    private static readonly GenerationRequest Options = new() { PromptIds = [], Temperature = 0, MaxNewTokens = 24 };
    private static ChatModel s_model = null!;

    [ClassInitialize]
    public static void Load(TestContext _) => s_model = new ChatModel(Material.Pocket());

    [ClassCleanup]
    public static void Unload() => s_model.Dispose();

    [TestMethod]
    public async Task Stopped_AnswerStaysAsFarAsItCame()
    {
        Conversation conversation = new("You are brief.");
        using CancellationTokenSource stop = new();
        string text = "";
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (GeneratedToken token in conversation.AskAsync(s_model, Question, Options, stop.Token))
            {
                text += token.Text;
                await stop.CancelAsync();
            }
        });
        CollectionAssert.AreEqual(new ChatTurn[] { new("system", "You are brief."), new("user", Question), new("assistant", text) }, conversation.Turns.ToArray());
        Assert.IsLessThan((await AskAsync(new Conversation("You are brief."))).Length, text.Length);
        conversation.Reset();
        CollectionAssert.AreEqual(new ChatTurn[] { new("system", "You are brief.") }, conversation.Turns.ToArray());
    }

    [TestMethod]
    public async Task SecondQuestion_StandsBehindTheFirstAnswer()
    {
        Conversation conversation = new();
        string first = await AskAsync(conversation);
        string second = await AskAsync(conversation);
        string prompt = s_model.ApplyChatTemplate([new("user", Question), new("assistant", first), new("user", Question)]);
        Assert.AreEqual(s_model.Complete(Options with { PromptIds = s_model.Encode(prompt) }), second);
    }

    [TestMethod]
    public async Task QuestionThatFillsTheContext_IsNotRemembered()
    {
        Conversation conversation = new();
        await Assert.ThrowsExactlyAsync<PromptTooLongException>(async () => await conversation.AskAsync(s_model, string.Concat(Enumerable.Repeat("a pig lives ", 600)), Options).CountAsync());
        Assert.IsEmpty(conversation.Turns);
    }

    private static async Task<string> AskAsync(Conversation conversation)
    {
        List<string> text = [];
        await foreach (GeneratedToken token in conversation.AskAsync(s_model, Question, Options))
        {
            text.Add(token.Text);
        }
        return string.Concat(text);
    }
}
