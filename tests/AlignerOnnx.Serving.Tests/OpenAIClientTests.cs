using System.ClientModel;
using System.Text;
using OpenAI.Chat;
using OpenAI.Models;

namespace AlignerOnnx.Serving.Tests;

/// <summary>The contract, as the official client sees it.</summary>
[TestClass]
public sealed class OpenAIClientTests
{
    private const string Question = "Tell me where a pig lives.";
    private static RunningServer s_server = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _) => s_server = await RunningServer.StartAsync();

    [ClassCleanup]
    public static async Task Stop() => await s_server.DisposeAsync();

    [TestMethod]
    public async Task Models_ListAndShow_HoldTheBase()
    {
        OpenAIModelCollection models = await s_server.Models().GetModelsAsync();
        Assert.AreEqual("pocket", models.Single().Id);
        OpenAIModel model = await s_server.Models().GetModelAsync("pocket");
        Assert.AreEqual("pocket", model.Id);
        ClientResultException e = await Assert.ThrowsExactlyAsync<ClientResultException>(() => s_server.Models().GetModelAsync("other"));
        Assert.AreEqual(404, e.Status);
    }

    [TestMethod]
    public async Task Complete_Question_AnswersWithUsage()
    {
        ChatCompletion completion = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)]);
        StringAssert.Contains(completion.Content[0].Text, "sty");
        Assert.AreEqual(ChatFinishReason.Stop, completion.FinishReason);
        Assert.AreEqual("pocket", completion.Model);
        Assert.IsGreaterThan(0, completion.Usage.InputTokenCount);
        Assert.AreEqual(completion.Usage.TotalTokenCount, completion.Usage.InputTokenCount + completion.Usage.OutputTokenCount);
    }

    [TestMethod]
    public async Task Complete_Streamed_SaysTheSameAsWhole()
    {
        ChatCompletion whole = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)]);
        StringBuilder text = new();
        List<StreamingChatCompletionUpdate> updates = [];
        await foreach (StreamingChatCompletionUpdate update in s_server.Chat().CompleteChatStreamingAsync([new UserChatMessage(Question)]))
        {
            updates.Add(update);
            text.Append(string.Concat(update.ContentUpdate.Select(p => p.Text)));
        }
        Assert.AreEqual(whole.Content[0].Text, text.ToString());
        Assert.AreEqual(ChatMessageRole.Assistant, updates[0].Role);
        Assert.AreEqual(ChatFinishReason.Stop, updates.Single(u => u.FinishReason is not null).FinishReason);
        Assert.AreEqual(whole.Usage.TotalTokenCount, updates[^1].Usage.TotalTokenCount);
    }

    [TestMethod]
    public async Task Complete_FewTokens_EndsByLength()
    {
        ChatCompletion completion = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], new ChatCompletionOptions { MaxOutputTokenCount = 2 });
        Assert.AreEqual(ChatFinishReason.Length, completion.FinishReason);
        Assert.AreEqual(2, completion.Usage.OutputTokenCount);
    }

    [TestMethod]
    public async Task Complete_SeedAndTemperature_AreRepeatable()
    {
#pragma warning disable OPENAI001 // The client marks the seed as experimental.
        ChatCompletionOptions options = new() { Temperature = 1.5f, TopP = 0.95f, Seed = 11 };
#pragma warning restore OPENAI001
        ChatCompletion first = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        ChatCompletion second = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        Assert.AreEqual(first.Content[0].Text, second.Content[0].Text);
    }

    [TestMethod]
    public async Task Complete_StopSequence_EndsBeforeIt()
    {
        ChatCompletion whole = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)]);
        ChatCompletionOptions options = new();
        options.StopSequences.Add("sty");
        ChatCompletion cut = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        string text = whole.Content[0].Text;
        Assert.AreEqual(text[..text.IndexOf("sty", StringComparison.Ordinal)], string.Concat(cut.Content.Select(c => c.Text)));
    }

    [TestMethod]
    public async Task Complete_UnknownModel_Is404()
    {
        ClientResultException e = await Assert.ThrowsExactlyAsync<ClientResultException>(() => s_server.Chat("other").CompleteChatAsync([new UserChatMessage(Question)]));
        Assert.AreEqual(404, e.Status);
        StringAssert.Contains(e.Message, "model_not_found");
    }

    [TestMethod]
    public async Task Complete_ManyAtOnce_AllAnswerAlike()
    {
        ClientResult<ChatCompletion>[] results = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)])));
        Assert.HasCount(1, results.Select(r => r.Value.Content[0].Text).Distinct().ToArray());
    }
}
