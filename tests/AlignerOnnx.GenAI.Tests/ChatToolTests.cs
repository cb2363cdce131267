using System.Text.Json;
using AlignerOnnx.TestMaterial;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Functions through the chat client, as programs on Microsoft.Extensions.AI use them.</summary>
[TestClass]
public sealed class ChatToolTests
{
    private const string Question = "How is the weather in Rome?";

    private static readonly AIFunctionDeclaration Weather = AIFunctionFactory.CreateDeclaration("weather", "The weather of a place.",
        JsonElement.Parse("""{"type":"object","properties":{"place":{"$ref":"#/$defs/place"}},"required":["place"],"additionalProperties":false,"$defs":{"place":{"enum":["Paris","Rome"]}}}"""));

    private static readonly AIFunctionDeclaration Time = AIFunctionFactory.CreateDeclaration("time", null, JsonElement.Parse("""{"type":"object","properties":{},"additionalProperties":false}"""));

    private static AlignerChatClient s_client = null!;
    private static int s_brace;

    [ClassInitialize]
    public static void Load(TestContext _)
    {
        ChatModel model = new(Material.Pocket());
        s_client = new AlignerChatClient(model, "pocket", ownsModel: true);
        s_brace = model.Encode("{").Single();
    }

    [ClassCleanup]
    public static void Free() => s_client.Dispose();

    [TestMethod]
    public async Task RequireAny_CallsOneOfTheFunctions()
    {
        ChatResponse response = await s_client.GetResponseAsync(Question, Options(ChatToolMode.RequireAny));
        FunctionCallContent call = OnlyCall(response);
        Assert.IsTrue(call.Name == "weather" ? Place(call) is "Paris" or "Rome" : call is { Name: "time", Arguments.Count: 0 });
        Assert.AreEqual(response.Usage!.TotalTokenCount, response.Usage.InputTokenCount + response.Usage.OutputTokenCount);
    }

    [TestMethod]
    [DataRow("weather")]
    [DataRow("time")]
    public async Task RequireSpecific_CallsThatFunction(string name) =>
        Assert.AreEqual(name, OnlyCall(await s_client.GetResponseAsync(Question, Options(ChatToolMode.RequireSpecific(name)))).Name);

    [TestMethod]
    public async Task Auto_AnAnswerThatBeginsAsACall_IsAWellFormedCall()
    {
        // The model is small; the bias chooses in its place, and only how the answer begins.
        ChatResponse response = await s_client.GetResponseAsync(Question, Options(ChatToolMode.Auto, brace: 100));
        FunctionCallContent call = OnlyCall(response);

        List<ChatResponseUpdate> updates = await StreamAsync(Options(null, brace: 100));
        FunctionCallContent streamed = updates.SelectMany(update => update.Contents).OfType<FunctionCallContent>().Single();
        Assert.AreEqual((call.Name, Json(call.Arguments)), (streamed.Name, Json(streamed.Arguments)));
        Assert.AreEqual(ChatFinishReason.ToolCalls, updates[^1].FinishReason);
        Assert.AreEqual("", string.Concat(updates.Select(update => update.Text)));
    }

    [TestMethod]
    public async Task Auto_AnAnswerInWords_IsStreamedAsItGrows()
    {
        ChatResponse response = await s_client.GetResponseAsync(Question, Options(null, brace: -100));
        Assert.IsEmpty(response.Messages.Single().Contents.OfType<FunctionCallContent>());
        Assert.AreNotEqual(ChatFinishReason.ToolCalls, response.FinishReason);

        string[] pieces = [.. (await StreamAsync(Options(null, brace: -100))).Select(update => update.Text).Where(text => text.Length > 0)];
        Assert.AreEqual(response.Text, string.Concat(pieces));
        Assert.IsGreaterThan(1, pieces.Length);
    }

    [TestMethod]
    public async Task None_TheFunctionsAreNotToldOf()
    {
        ChatOptions none = Options(ChatToolMode.None);
        ChatOptions without = Options(null);
        without.Tools = null;
        ChatResponse response = await s_client.GetResponseAsync(Question, none);
        ChatResponse expected = await s_client.GetResponseAsync(Question, without);
        Assert.AreEqual(expected.Text, response.Text);
        Assert.AreEqual(expected.Usage!.InputTokenCount, response.Usage!.InputTokenCount);
        Assert.IsLessThan((await s_client.GetResponseAsync(Question, Options(null))).Usage!.InputTokenCount!.Value, response.Usage.InputTokenCount!.Value);
    }

    [TestMethod]
    public async Task CallsAndResults_OfTheConversation_AreToldInWords()
    {
        ChatOptions options = new() { Temperature = 0, MaxOutputTokens = 24 };
        ChatResponse called = await s_client.GetResponseAsync(
            [
                new ChatMessage(ChatRole.User, Question),
                new ChatMessage(ChatRole.Assistant, [new TextContent("I look."), Call("a", "Rome"), Call("b", "Paris"), new UsageContent(new UsageDetails())]),
                new ChatMessage(ChatRole.Tool, [new FunctionResultContent("a", "sunny"), new FunctionResultContent("b", new { sky = "grey", wind = 3 })]),
                new ChatMessage(ChatRole.User, "And?"),
            ], options);
        ChatResponse told = await s_client.GetResponseAsync(
            [
                new ChatMessage(ChatRole.User, Question),
                new ChatMessage(ChatRole.Assistant, "I look.\n{\"name\": \"weather\", \"arguments\": {\"place\":\"Rome\"}}\n{\"name\": \"weather\", \"arguments\": {\"place\":\"Paris\"}}"),
                new ChatMessage(ChatRole.User, "Result of weather: sunny\nResult of weather: {\"sky\":\"grey\",\"wind\":3}"),
                new ChatMessage(ChatRole.User, "And?"),
            ], options);
        Assert.AreEqual(told.Usage!.InputTokenCount, called.Usage!.InputTokenCount);
        Assert.AreEqual(told.Text, called.Text);
    }

    [TestMethod]
    public async Task FunctionInvocation_RunsTheFunctionAndAnswersWithItsResult()
    {
        List<string> asked = [];
        AIFunction weather = AIFunctionFactory.Create(Look, "weather", "The weather of a place.");
        IChatClient client = new ChatClientBuilder(s_client).UseFunctionInvocation().Build();
        ChatResponse response = await client.GetResponseAsync(Question, new ChatOptions { Temperature = 0, MaxOutputTokens = 60, Tools = [weather], ToolMode = ChatToolMode.RequireAny });

        FunctionCallContent call = response.Messages[0].Contents.OfType<FunctionCallContent>().Single();
        Assert.AreEqual(asked.Single(), Place(call));
        FunctionResultContent result = response.Messages[1].Contents.OfType<FunctionResultContent>().Single();
        Assert.AreEqual((call.CallId, $"It is sunny in {asked.Single()}."), (result.CallId, result.Result?.ToString()));
        Assert.AreEqual(ChatRole.Assistant, response.Messages[^1].Role);
        Assert.AreNotEqual("", response.Text);

        string Look(City place)
        {
            asked.Add(place.ToString());
            return $"It is sunny in {place}.";
        }
    }

    private static ChatOptions Options(ChatToolMode? mode, float? brace = null) => new()
    {
        Temperature = 0,
        MaxOutputTokens = 60,
        Tools = [Weather, Time],
        ToolMode = mode,
        RawRepresentationFactory = brace is { } bias ? _ => new GenerationRequest { PromptIds = [], LogitBias = new Dictionary<int, float> { [s_brace] = bias } } : null,
    };

    private static FunctionCallContent OnlyCall(ChatResponse response)
    {
        Assert.AreEqual(ChatFinishReason.ToolCalls, response.FinishReason);
        return (FunctionCallContent)response.Messages.Single().Contents.Single();
    }

    private static FunctionCallContent Call(string id, string place) => new(id, "weather", new Dictionary<string, object?> { ["place"] = place });

    private static string? Place(FunctionCallContent call) => call.Arguments!["place"]?.ToString();

    private static string Json(object? value) => JsonSerializer.Serialize(value);

    private static async Task<List<ChatResponseUpdate>> StreamAsync(ChatOptions options)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in s_client.GetStreamingResponseAsync(Question, options))
        {
            updates.Add(update);
        }
        return updates;
    }

    private enum City
    {
        Paris,
        Rome,
    }
}
