using System.Text.Json;
using AlignerOnnx.TestMaterial;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>What the chat client cannot do is said and named, never left out.</summary>
[TestClass]
public sealed class ChatRefusalTests
{
    private static readonly AIFunctionDeclaration Weather = AIFunctionFactory.CreateDeclaration("weather", null, JsonElement.Parse("""{"type":"object"}"""));

    private static AlignerChatClient s_client = null!;

    [ClassInitialize]
    public static void Load(TestContext _) => s_client = new AlignerChatClient(new ChatModel(Material.Pocket()), "pocket", ownsModel: true);

    [ClassCleanup]
    public static void Free() => s_client.Dispose();

    private static IEnumerable<(ChatOptions Options, string Named)> UnsupportedOptions() =>
    [
        (new() { Tools = [Weather, new HostedWebSearchTool()] }, nameof(HostedWebSearchTool)),
        (new() { ConversationId = "c" }, nameof(ChatOptions.ConversationId)),
        (new() { ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }) }, nameof(ChatOptions.ContinuationToken)),
        (new() { RawRepresentationFactory = _ => new Version(1, 2) }, nameof(Version)),
    ];

    [TestMethod]
    [DynamicData(nameof(UnsupportedOptions))]
    public async Task Options_ThatAskForWhatThereIsNot_AreNamed(ChatOptions options, string named) =>
        StringAssert.Contains((await Assert.ThrowsExactlyAsync<NotSupportedException>(() => s_client.GetResponseAsync("Hi", options))).Message, named);

    private static IEnumerable<(ChatOptions Options, string Named)> WrongOptions() =>
    [
        (new() { ToolMode = ChatToolMode.RequireAny }, "no tools"),
        (new() { ToolMode = ChatToolMode.RequireSpecific("time"), Tools = [Weather] }, "'time'"),
        (new() { ResponseFormat = ChatResponseFormat.Json, Tools = [Weather] }, "another form"),
        (new() { StopSequences = [""] }, "stop string"),
        (new() { RawRepresentationFactory = _ => new GenerationRequest { PromptIds = [], TopLogprobs = 99 } }, "99"),
    ];

    [TestMethod]
    [DynamicData(nameof(WrongOptions))]
    public async Task Options_ThatDoNotGoTogether_SayWhy(ChatOptions options, string named) =>
        StringAssert.Contains((await Assert.ThrowsAsync<ArgumentException>(() => s_client.GetResponseAsync("Hi", options))).Message, named);

    private static IEnumerable<(ChatRole Role, AIContent Content, Type Refusal, string Named)> WrongContents() =>
    [
        (ChatRole.User, new DataContent(new byte[] { 1 }, "image/png"), typeof(NotSupportedException), nameof(DataContent)),
        (ChatRole.User, new UriContent("https://example.org/cat.png", "image/png"), typeof(NotSupportedException), nameof(UriContent)),
        (ChatRole.User, new FunctionCallContent("c", "weather"), typeof(NotSupportedException), nameof(FunctionCallContent)),
        (ChatRole.Tool, new TextContent("sunny"), typeof(NotSupportedException), nameof(TextContent)),
        (ChatRole.Tool, new FunctionResultContent("c", new DataContent(new byte[] { 1 }, "image/png")), typeof(NotSupportedException), nameof(DataContent)),
        (ChatRole.Tool, new FunctionResultContent("c", (Func<int>)(() => 1)), typeof(ArgumentException), "'c'"),
        (ChatRole.Tool, new FunctionResultContent("d", "sunny"), typeof(ArgumentException), "'d'"),
    ];

    [TestMethod]
    [DynamicData(nameof(WrongContents))]
    public async Task Contents_ThatCannotBeTold_AreNamedWithTheirMessage(ChatRole role, AIContent content, Type refusal, string named)
    {
        ChatMessage[] messages = [new(ChatRole.Assistant, [new FunctionCallContent("c", "weather")]), new(role, [content])];
        Exception thrown = await Assert.ThrowsAsync<Exception>(() => s_client.GetResponseAsync(messages));
        Assert.AreEqual(refusal, thrown.GetType(), thrown.Message);
        StringAssert.Contains(thrown.Message, named);
    }

    [TestMethod]
    public async Task AResultBeforeItsCall_IsRefused()
    {
        ChatMessage[] messages = [new(ChatRole.Tool, [new FunctionResultContent("c", "sunny")]), new(ChatRole.Assistant, [new FunctionCallContent("c", "weather")])];
        StringAssert.StartsWith((await Assert.ThrowsExactlyAsync<ArgumentException>(() => s_client.GetResponseAsync(messages))).Message, "messages[0]");
    }
}
