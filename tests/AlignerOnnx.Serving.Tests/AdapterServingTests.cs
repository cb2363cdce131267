using System.ClientModel;
using System.Text;
using System.Text.Json;
using AlignerOnnx.GenAI.Tests;
using AlignerOnnx.TestMaterial;
using OpenAI.Chat;

namespace AlignerOnnx.Serving.Tests;

/// <summary>One server, three tenants: the base model and two adapters on it.</summary>
[TestClass]
public sealed class AdapterServingTests
{
    private static readonly string[] s_names = ["base", "one", "team/two"];
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static RunningServer s_server = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        PatchedPocket.Write(s_folder);
        s_server = await RunningServer.StartAsync(RunningServer.Pocket with
        {
            ModelFolder = s_folder,
            BaseModelName = "base",
            Adapters =
            [
                new AdapterSource("one", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(11))),
                new AdapterSource("team/two", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(12))),
            ],
        });
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        await s_server.DisposeAsync();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public async Task Models_AdaptersNameTheirBaseAsParent()
    {
        string json = await s_server.Http.GetStringAsync(new Uri("/v1/models", UriKind.Relative));
        JsonElement[] models = [.. JsonDocument.Parse(json).RootElement.GetProperty("data").EnumerateArray()];
        CollectionAssert.AreEquivalent(s_names, models.Select(m => m.GetProperty("id").GetString()).ToArray());
        foreach (JsonElement model in models)
        {
            string? expected = model.GetProperty("id").GetString() == "base" ? null : "base";
            Assert.AreEqual(expected, model.GetProperty("parent").GetString());
            Assert.IsNotNull(model.GetProperty("root").GetString());
        }
        Assert.DoesNotContain(s_folder, json);
    }

    [TestMethod]
    public async Task Models_NameWithSlash_IsFound() =>
        StringAssert.Contains(await s_server.Http.GetStringAsync(new Uri("/v1/models/team/two", UriKind.Relative)), "\"parent\":\"base\"");

    [TestMethod]
    public async Task Complete_BaseAndTwoAdaptersAtOnce_EachAnswersAsAlone()
    {
        string[] alone = new string[3];
        for (int i = 0; i < 3; i++)
        {
            alone[i] = await AskAsync(s_names[i], stream: false);
        }
        Assert.HasCount(3, alone.Distinct().ToArray(), "the adapters must change the answer");
        string[] together = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => AskAsync(s_names[i % 3], stream: i % 2 == 0)));
        for (int i = 0; i < together.Length; i++)
        {
            Assert.AreEqual(alone[i % 3], together[i]);
        }
    }

    [TestMethod]
    public async Task Metrics_RequestsAtOnce_ShowRowsThatGrewTogether()
    {
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => AskAsync(s_names[i % 3], stream: true)));
        string metrics = await s_server.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        double Value(string name) => metrics.Split('\n').Where(line => line.StartsWith(name, StringComparison.Ordinal)).Sum(line => double.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
        double steps = Value("aligner_batch_rows_count");
        Assert.IsGreaterThan(0, steps);
        Assert.IsGreaterThan(1, Value("aligner_batch_rows_sum") / steps, "answers at the same time grow in the same steps");
        Assert.IsGreaterThan(0, Value("aligner_batch_prompt_tokens_computed"));
    }

    [TestMethod]
    public async Task Complete_EachAnswerByItself_AnswersTheSame()
    {
        await using RunningServer generators = await RunningServer.StartAsync(RunningServer.Pocket with { Engine = new GenAI.ChatModelOptions { Batching = false } });
        ChatCompletion answer = await generators.Chat().CompleteChatAsync([new UserChatMessage("Tell me where a pig lives.")], new ChatCompletionOptions { MaxOutputTokenCount = 24 });
        Assert.AreEqual(await AskAsync("base", stream: false), string.Concat(answer.Content.Select(part => part.Text)));
    }

    private static async Task<string> AskAsync(string model, bool stream)
    {
        ChatMessage[] messages = [new UserChatMessage("Tell me where a pig lives.")];
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 24 };
        if (!stream)
        {
            ClientResult<ChatCompletion> result = await s_server.Chat(model).CompleteChatAsync(messages, options);
            Assert.AreEqual(model, result.Value.Model);
            return string.Concat(result.Value.Content.Select(c => c.Text));
        }
        StringBuilder text = new();
        await foreach (StreamingChatCompletionUpdate update in s_server.Chat(model).CompleteChatStreamingAsync(messages, options))
        {
            text.Append(string.Concat(update.ContentUpdate.Select(c => c.Text)));
        }
        return text.ToString();
    }
}
