using System.ClientModel;
using System.Text;
using System.Text.Json;
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

    [TestMethod]
    public async Task Complete_JsonSchema_AnswersInThatForm()
    {
        ChatCompletionOptions options = new()
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("colour", BinaryData.FromString("""{"type":"object","properties":{"colour":{"enum":["red","blue"]}},"required":["colour"],"additionalProperties":false}"""), jsonSchemaIsStrict: true),
        };
        ChatCompletion completion = await s_server.Chat().CompleteChatAsync([new UserChatMessage("Which colour?")], options);
        Assert.IsTrue(JsonDocument.Parse(completion.Content[0].Text).RootElement.GetProperty("colour").GetString() is "red" or "blue");
    }

    [TestMethod]
    public async Task Complete_Logprobs_AreOfEachTokenAndStreamedAlike()
    {
        ChatCompletionOptions options = new() { IncludeLogProbabilities = true, TopLogProbabilityCount = 3, MaxOutputTokenCount = 6 };
        ChatCompletion whole = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        Assert.HasCount(whole.Usage.OutputTokenCount, whole.ContentTokenLogProbabilities);
        foreach (ChatTokenLogProbabilityDetails token in whole.ContentTokenLogProbabilities)
        {
            Assert.HasCount(3, token.TopLogProbabilities);
            Assert.IsLessThanOrEqualTo(0, token.LogProbability);
            Assert.AreEqual(token.Token, token.TopLogProbabilities[0].Token);
        }
        List<float> streamed = [];
        await foreach (StreamingChatCompletionUpdate update in s_server.Chat().CompleteChatStreamingAsync([new UserChatMessage(Question)], options))
        {
            streamed.AddRange(update.ContentTokenLogProbabilities.Select(token => token.LogProbability));
        }
        CollectionAssert.AreEqual(whole.ContentTokenLogProbabilities.Select(token => token.LogProbability).ToArray(), streamed);
    }

    [TestMethod]
    public async Task Complete_LogitBias_ChangesTheAnswer()
    {
        ChatCompletion plain = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], new ChatCompletionOptions { IncludeLogProbabilities = true, TopLogProbabilityCount = 1, MaxOutputTokenCount = 1 });
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 1 };
        // The biased token's number is what the tokenizer says of its text.
        using AlignerOnnx.GenAI.ChatModel model = new(RunningServer.Pocket.ModelFolder);
        options.LogitBiases[model.Encode(plain.Content[0].Text)[0]] = -100;
        ChatCompletion biased = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        Assert.AreNotEqual(plain.Content[0].Text, biased.Content.FirstOrDefault()?.Text);
    }

    [TestMethod]
    public async Task Complete_SeveralChoices_EachWithItsIndex()
    {
        using HttpResponseMessage response = await s_server.PostAsync($"{{\"model\":\"pocket\",\"n\":3,\"temperature\":1.5,\"seed\":4,\"messages\":[{{\"role\":\"user\",\"content\":\"{Question}\"}}]}}");
        JsonElement body = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, body.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("index").GetInt32()).ToArray());
        Assert.IsGreaterThan(1, body.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("message").GetProperty("content").GetString()).Distinct().Count());
    }

    [TestMethod]
    [DataRow("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]")]
    [DataRow("/v1/completions", "\"prompt\":\"Hi\"")]
    public async Task Stream_SeveralChoices_GrowTogetherAndSayWhatTheySayAsAWhole(string path, string prompt)
    {
        // Float32, since rows of a batch are the same whatever their number only there. No answer may end by itself: long ones end after the others have begun, unless they wait for each other.
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = AlignerOnnx.TestMaterial.Material.Pocket("model-fp32") });
        using AlignerOnnx.GenAI.ChatModel model = new(RunningServer.Pocket.ModelFolder);
        string request = $"{{\"model\":\"pocket\",\"n\":3,\"temperature\":1.5,\"seed\":4,\"max_tokens\":200,\"logit_bias\":{{\"{model.EndOfTextId}\":-100,\"{model.Encode("<|end|>").Single()}\":-100}},{prompt}";
        using HttpResponseMessage whole = await server.PostAsync($"{request}}}", path: path);
        string[] expected = [.. JsonDocument.Parse(await whole.Content.ReadAsStringAsync()).RootElement.GetProperty("choices").EnumerateArray().Select(TextOf)];
        using HttpResponseMessage streamed = await server.PostAsync($"{request},\"stream\":true}}", path: path);
        JsonElement[] events = [.. (await streamed.Content.ReadAsStringAsync()).Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal)).Select(line => JsonElement.Parse(line["data: ".Length..]).GetProperty("choices")[0])];

        for (int choice = 0; choice < expected.Length; choice++)
        {
            Assert.AreEqual(expected[choice], string.Concat(events.Where(each => each.GetProperty("index").GetInt32() == choice).Select(TextOf)));
        }
        IEnumerable<JsonElement> beforeAnyEnd = events.TakeWhile(each => each.GetProperty("finish_reason").ValueKind == JsonValueKind.Null);
        CollectionAssert.AreEquivalent(new[] { 0, 1, 2 }, beforeAnyEnd.Where(each => TextOf(each).Length > 0).Select(each => each.GetProperty("index").GetInt32()).Distinct().ToArray());
    }

    [TestMethod]
    [DataRow("\"The pig lives in a\"", 1)]
    [DataRow("[\"The pig\",\"The cow\"]", 2)]
    [DataRow("[5,6,7]", 1)]
    [DataRow("[[5,6],[7]]", 2)]
    public async Task Completions_EachFormOfPrompt_IsAnswered(string prompt, int expected)
    {
        JsonElement body = await CompleteAsync($"{{\"model\":\"pocket\",\"prompt\":{prompt},\"max_tokens\":5,\"logprobs\":2}}");
        JsonElement[] choices = [.. body.GetProperty("choices").EnumerateArray()];
        Assert.HasCount(expected, choices);
        foreach (JsonElement choice in choices)
        {
            JsonElement logprobs = choice.GetProperty("logprobs");
            Assert.AreEqual(logprobs.GetProperty("tokens").GetArrayLength(), logprobs.GetProperty("text_offset").GetArrayLength());
        }
        Assert.AreEqual("text_completion", body.GetProperty("object").GetString());
    }

    [TestMethod]
    [DataRow("{\"model\":\"pocket\"}", "prompt")]
    [DataRow("{\"model\":\"pocket\",\"prompt\":[]}", "prompt")]
    [DataRow("{\"model\":\"pocket\",\"prompt\":\"\"}", "prompt")]
    [DataRow("{\"model\":\"pocket\",\"prompt\":[-1]}", "prompt")]
    [DataRow("{\"model\":\"pocket\",\"prompt\":[99999999]}", "prompt")]
    [DataRow("{\"model\":\"pocket\",\"prompt\":\"a\",\"echo\":true}", "echo")]
    [DataRow("{\"model\":\"pocket\",\"prompt\":\"a\",\"suffix\":\"b\"}", "suffix")]
    [DataRow("{\"model\":\"pocket\",\"prompt\":\"a\",\"best_of\":3}", "best_of")]
    public async Task Completions_Bad_Is400AndNamesTheParameter(string body, string param)
    {
        using HttpResponseMessage response = await s_server.PostAsync(body, path: "/v1/completions");
        JsonElement error = await RefusalTests.ErrorOf(response, System.Net.HttpStatusCode.BadRequest);
        Assert.AreEqual(param, error.GetProperty("param").GetString());
    }

    /// <summary>The text of a choice, in whichever of the API's shapes it is.</summary>
    private static string TextOf(JsonElement choice) =>
        choice.TryGetProperty("text", out JsonElement text) ? text.GetString()!
        : (choice.TryGetProperty("delta", out JsonElement said) || choice.TryGetProperty("message", out said)) && said.TryGetProperty("content", out JsonElement content) ? content.GetString() ?? ""
        : "";

    private static async Task<JsonElement> CompleteAsync(string body)
    {
        using HttpResponseMessage response = await s_server.PostAsync(body, path: "/v1/completions");
        string text = await response.Content.ReadAsStringAsync();
        Assert.AreEqual(System.Net.HttpStatusCode.OK, response.StatusCode, text);
        return JsonDocument.Parse(text).RootElement;
    }
}
