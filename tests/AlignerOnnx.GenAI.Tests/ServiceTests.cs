using AlignerOnnx.TestMaterial;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>The chat client as programs get it: from their container, with adapters chosen by model id.</summary>
[TestClass]
public sealed class ServiceTests
{
    private const string Question = "Tell me where a pig lives.";

    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static ServiceProvider s_services = null!;

    [ClassInitialize]
    public static void Register(TestContext _)
    {
        PatchedPocket.Write(s_folder);
        s_services = new ServiceCollection().AddAlignerChatClient(s_folder, options =>
        {
            options.BaseName = "pocket";
            options.Adapters.Add("one", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(11)));
            options.Adapters.Add("two", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(12)));
        }).BuildServiceProvider();
    }

    [ClassCleanup]
    public static void Free()
    {
        s_services.Dispose();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public async Task ChatClient_FromTheContainer_ModelIdChoosesTheAdapter()
    {
        IChatClient client = s_services.GetRequiredService<IChatClient>();
        string?[] ids = [null, "pocket", "one", "two"];
        string[] alone = new string[ids.Length];
        foreach ((int i, string? id) in ids.Index())
        {
            alone[i] = (await client.GetResponseAsync(Question, Options(id))).Text;
        }
        Assert.AreEqual(alone[0], alone[1]);
        Assert.HasCount(3, alone.Distinct().ToArray());
        ChatResponse[] together = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => client.GetResponseAsync(Question, Options(ids[i % 4]))));
        for (int i = 0; i < together.Length; i++)
        {
            Assert.AreEqual(alone[i % 4], together[i].Text);
            Assert.AreEqual(ids[i % 4] ?? "pocket", together[i].ModelId);
        }
    }

    [TestMethod]
    public async Task ChatClient_Streaming_GivesPiecesAndStopsWhenCancelled()
    {
        IChatClient client = s_services.GetRequiredService<IChatClient>();
        string whole = (await client.GetResponseAsync(Question, Options("one"))).Text;
        List<string> pieces = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(Question, Options("one")))
        {
            pieces.Add(update.Text);
        }
        Assert.AreEqual(whole, string.Concat(pieces));
        Assert.IsGreaterThan(2, pieces.Count);
        using CancellationTokenSource source = new();
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync(Question, Options("one"), source.Token))
            {
                await source.CancelAsync();
            }
        });
    }

    [TestMethod]
    public async Task ChatClient_JsonFormat_TheAnswerIsJson()
    {
        ChatOptions options = Options("two");
        options.MaxOutputTokens = 100;
        options.ResponseFormat = ChatResponseFormat.ForJsonSchema(System.Text.Json.JsonDocument.Parse("""{"type":"object","properties":{"colour":{"enum":["red","blue"]}},"required":["colour"],"additionalProperties":false}""").RootElement);
        string answer = (await s_services.GetRequiredService<IChatClient>().GetResponseAsync("Which colour?", options)).Text;
        Assert.IsTrue(answer is """{"colour": "red"}""" or """{"colour": "blue"}""", answer);
    }

    [TestMethod]
    public void Model_FromTheContainer_LoadsAndUnloadsAdapters()
    {
        ChatModel model = s_services.GetRequiredService<ChatModel>();
        model.LoadAdapter("late", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(13)));
        Assert.Contains("late", model.Adapters);
        model.UnloadAdapter("late");
        Assert.AreSame(model, s_services.GetRequiredService<IChatClient>().GetService(typeof(ChatModel)));
    }

    private static ChatOptions Options(string? model) => new() { ModelId = model, Temperature = 0, MaxOutputTokens = 24 };
}
