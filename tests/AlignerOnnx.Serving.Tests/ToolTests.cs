using System.Text;
using System.Text.Json;
using AlignerOnnx.GenAI;
using OpenAI.Chat;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Function calls, as the official client makes and reads them.</summary>
[TestClass]
public sealed class ToolTests
{
    private const string Question = "How is the weather in Rome?";

    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("weather", "The weather of a place.",
        BinaryData.FromString("""{"type":"object","properties":{"place":{"enum":["Paris","Rome"]}},"required":["place"],"additionalProperties":false}"""));

    private static RunningServer s_server = null!;
    private static int s_brace;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        s_server = await RunningServer.StartAsync();
        using ChatModel model = new(RunningServer.Pocket.ModelFolder);
        s_brace = model.Encode("{").Single();
    }

    [ClassCleanup]
    public static async Task Stop() => await s_server.DisposeAsync();

    [TestMethod]
    public async Task Required_CallsOneOfTheFunctions()
    {
        ChatTool time = ChatTool.CreateFunctionTool("time");
        foreach ((ChatToolChoice choice, string[] allowed) in new[] { (ChatToolChoice.CreateRequiredChoice(), new[] { "weather", "time" }), (ChatToolChoice.CreateFunctionChoice("weather"), ["weather"]) })
        {
            ChatCompletionOptions options = new() { ToolChoice = choice, MaxOutputTokenCount = 100, Temperature = 0 };
            options.Tools.Add(Weather);
            options.Tools.Add(time);
            ChatCompletion completion = await s_server.Chat().CompleteChatAsync([new UserChatMessage("How is the weather in Rome?")], options);
            // Free arguments may take a small model longer than it has; those of weather are bounded.
            if (allowed.Length > 1 && completion.FinishReason == ChatFinishReason.Length)
            {
                continue;
            }
            Assert.AreEqual(ChatFinishReason.ToolCalls, completion.FinishReason);
            ChatToolCall call = completion.ToolCalls.Single();
            Assert.Contains(call.FunctionName, allowed);
            JsonElement arguments = JsonDocument.Parse(call.FunctionArguments.ToString()).RootElement;
            Assert.IsTrue(call.FunctionName != "weather" || arguments.GetProperty("place").GetString() is "Paris" or "Rome");
            StringBuilder streamed = new();
            await foreach (StreamingChatCompletionUpdate update in s_server.Chat().CompleteChatStreamingAsync([new UserChatMessage("How is the weather in Rome?")], options))
            {
                streamed.Append(string.Concat(update.ToolCallUpdates.Select(part => part.FunctionArgumentsUpdate.ToString())));
            }
            Assert.AreEqual(call.FunctionArguments.ToString(), streamed.ToString());
        }
    }

    [TestMethod]
    public async Task Auto_AnAnswerThatBeginsAsACall_IsAWellFormedCall()
    {
        // The model is small; the bias chooses in its place, and only how the answer begins.
        ChatCompletionOptions options = Options(brace: 100);
        ChatCompletion completion = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        Assert.AreEqual(ChatFinishReason.ToolCalls, completion.FinishReason);
        Assert.IsEmpty(completion.Content);
        ChatToolCall call = completion.ToolCalls.Single();
        Assert.AreEqual("weather", call.FunctionName);
        Assert.IsTrue(JsonElement.Parse(call.FunctionArguments.ToString()).GetProperty("place").GetString() is "Paris" or "Rome");

        List<StreamingChatCompletionUpdate> updates = await StreamAsync(options);
        StreamingChatToolCallUpdate streamed = updates.SelectMany(update => update.ToolCallUpdates).Single();
        Assert.AreEqual((0, "weather", call.FunctionArguments.ToString()), (streamed.Index, streamed.FunctionName, streamed.FunctionArgumentsUpdate.ToString()));
        Assert.AreEqual(ChatFinishReason.ToolCalls, updates.Single(update => update.FinishReason is not null).FinishReason);
        Assert.IsEmpty(updates.SelectMany(update => update.ContentUpdate));
    }

    [TestMethod]
    public async Task Auto_AnAnswerInWords_IsStreamedAsItGrows()
    {
        ChatCompletionOptions options = Options(brace: -100);
        ChatCompletion completion = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        Assert.IsEmpty(completion.ToolCalls);
        Assert.AreNotEqual(ChatFinishReason.ToolCalls, completion.FinishReason);

        string[] pieces = [.. (await StreamAsync(options)).SelectMany(update => update.ContentUpdate).Select(part => part.Text).Where(text => text.Length > 0)];
        Assert.AreEqual(completion.Content[0].Text, string.Concat(pieces));
        Assert.IsGreaterThan(1, pieces.Length);
    }

    [TestMethod]
    public async Task ResultsOfCalls_WhereTheTemplateKnowsNone_AreToldInWords()
    {
        ChatToolCall rome = ChatToolCall.CreateFunctionToolCall("call_1", "weather", BinaryData.FromString("""{"place":"Rome"}"""));
        ChatToolCall paris = ChatToolCall.CreateFunctionToolCall("call_2", "weather", BinaryData.FromString("""{"place":"Paris"}"""));
        ChatCompletionOptions options = new() { Temperature = 0, MaxOutputTokenCount = 24 };
        ChatCompletion called = await s_server.Chat().CompleteChatAsync(
            [new UserChatMessage(Question), new AssistantChatMessage([rome, paris]), new ToolChatMessage("call_1", "sunny"), new ToolChatMessage("call_2", "rain"), new UserChatMessage("And?")], options);
        ChatCompletion told = await s_server.Chat().CompleteChatAsync(
            [
                new UserChatMessage(Question),
                new AssistantChatMessage("{\"name\": \"weather\", \"arguments\": {\"place\":\"Rome\"}}\n{\"name\": \"weather\", \"arguments\": {\"place\":\"Paris\"}}"),
                new UserChatMessage("Result of weather: sunny\nResult of weather: rain"),
                new UserChatMessage("And?"),
            ], options);
        Assert.AreEqual(told.Usage.InputTokenCount, called.Usage.InputTokenCount);
        Assert.AreEqual(told.Content[0].Text, called.Content[0].Text);
    }

    [TestMethod]
    public async Task AnswersOfTheClient_GoBackAsTheyCame()
    {
        ChatCompletionOptions options = Options(brace: 100);
        ChatCompletion call = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options);
        options.LogitBiases[s_brace] = -100;
        ChatCompletion words = await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question), new AssistantChatMessage(call), new ToolChatMessage(call.ToolCalls[0].Id, "sunny")], options);
        ChatCompletion more = await s_server.Chat().CompleteChatAsync(
            [new UserChatMessage(Question), new AssistantChatMessage(call), new ToolChatMessage(call.ToolCalls[0].Id, "sunny"), new AssistantChatMessage(words), new UserChatMessage("And?")], options);
        Assert.IsGreaterThan(words.Usage.InputTokenCount, more.Usage.InputTokenCount);
    }

    [TestMethod]
    public async Task Strict_IsAcceptedWhereTheModelHasAFormOfItsOwnToo()
    {
        ChatTool strict = ChatTool.CreateFunctionTool("weather", "The weather of a place.", BinaryData.FromString("""{"type":"object","properties":{"place":{"enum":["Paris","Rome"]}},"required":["place"],"additionalProperties":false}"""), functionSchemaIsStrict: true);
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 60, Temperature = 0 };
        options.Tools.Add(strict);
        Assert.IsNotNull((await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)], options)).Value.Id);

        string folder = AlignerOnnx.TestMaterial.Material.NewTemporaryFolder();
        try
        {
            GenAI.Tests.PatchedPocket.Write(folder);
            await File.WriteAllTextAsync(Path.Combine(folder, "chat_template.jinja"), "{% for tool in tools or [] %}{{ tool.function.name }} {% endfor %}{% for message in messages %}{{ message.content }}{% endfor %}");
            await using RunningServer taught = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = folder });
            Assert.IsNotNull((await taught.Chat().CompleteChatAsync([new UserChatMessage(Question)], options)).Value.Id);
            options.ToolChoice = ChatToolChoice.CreateRequiredChoice();
            Assert.AreEqual("weather", (await taught.Chat().CompleteChatAsync([new UserChatMessage(Question)], options)).Value.ToolCalls.Single().FunctionName);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static ChatCompletionOptions Options(int brace)
    {
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 60, Temperature = 0 };
        options.Tools.Add(Weather);
        options.LogitBiases[s_brace] = brace;
        return options;
    }

    private static async Task<List<StreamingChatCompletionUpdate>> StreamAsync(ChatCompletionOptions options)
    {
        List<StreamingChatCompletionUpdate> updates = [];
        await foreach (StreamingChatCompletionUpdate update in s_server.Chat().CompleteChatStreamingAsync([new UserChatMessage(Question)], options))
        {
            updates.Add(update);
        }
        return updates;
    }
}
