using System.Text.Json.Nodes;
using AlignerOnnx.TestMaterial;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Chat templates that take tools, in the manner of Hugging Face's: tools and calls reach them as objects.</summary>
[TestClass]
public sealed class ToolTemplateTests
{
    private const string Template = """
        {% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools>
        {% endif %}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% for call in message.tool_calls %}<tool_call>{{ call.function.name }} {{ call.function.arguments | tojson }}</tool_call>{% endfor %}<|end|>
        {% endfor %}
        """;

    private readonly string _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void ATemplateThatNamesTools_GetsThemWithCallsAndResults()
    {
        using ChatModel model = ModelWithTools();
        Assert.IsTrue(model.TemplateTakesTools);

        FunctionCall call = new("call_1", "weather", """{"place": "Rome"}""");
        string text = model.ApplyChatTemplate(
            [new("user", "How is it?"), new("assistant", "") { Calls = [call] }, new("tool", "sunny") { ResultOf = call }],
            tools: """[{"type":"function","function":{"name":"weather","description":"Of a place.","parameters":{"type":"object"}}}]""");
        // White space in JSON is GenAI's own.
        Assert.AreEqual(
            "<tools>{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"Ofaplace.\",\"parameters\":{\"type\":\"object\"}}}</tools><|user|>Howisit?<|end|><|assistant|><tool_call>weather{\"place\":\"Rome\"}</tool_call><|end|><|tool|>sunny<|end|>",
            string.Concat(text.Where(letter => !char.IsWhiteSpace(letter))));
    }

    [TestMethod]
    public void ATemplateThatMentionsNames_GetsThoseOfSpeakersAndOfCalledFunctions()
    {
        using ChatModel model = ModelWith("{% for message in messages %}{{ message.role }}={{ message.name if message.name is defined else 'nobody' }} {% endfor %}");
        FunctionCall call = new("call_1", "weather", "{}");
        ChatTurn[] turns = [new("system", "Be brief."), new("user", "How is it?") { Name = "Ada" }, new("assistant", "") { Name = "writer", Calls = [call] }, new("tool", "sunny") { ResultOf = call }];
        Assert.AreEqual("system=nobody user=Ada assistant=writer tool=weather ", model.ApplyChatTemplate(turns));
        // A template without tools is told of calls in words.
        Assert.AreEqual("system=nobody user=Ada assistant=writer user=nobody ", FunctionCallPrompt.Of(model, turns, CallableFunctions.None));
    }

    [TestMethod]
    public async Task ATemplateThatMentionsNames_GetsTheAuthorsOfTheChatClientsMessages()
    {
        using AlignerChatClient client = new(ModelWith("{% for message in messages %}{{ message.name if message.name is defined else '' }}{{ message.content }}{% endfor %}"), "pocket", ownsModel: true);
        async Task<long?> PromptTokens(string? author) =>
            (await client.GetResponseAsync([new ChatMessage(ChatRole.User, "Hello.") { AuthorName = author }], new ChatOptions { MaxOutputTokens = 1 })).Usage!.InputTokenCount;
        Assert.IsGreaterThan((await PromptTokens(null))!.Value, (await PromptTokens("Ada Lovelace"))!.Value);
    }

    /// <summary>Phi's templates take the function out of each tool, Llama's where there is one in it; GenAI by itself gives them none or changes it, by the template's text.</summary>
    [TestMethod]
    [DataRow("{% for tool in tools %}{{ tool['function'] | tojson }}{% endfor %}")]
    [DataRow("{%- if tools is defined -%}{%- for tool in tools -%}{{- (tool.function if tool.function is defined else tool) | tojson -}}{%- endfor -%}{%- endif -%}")]
    [DataRow("{%- if not tools is defined %}{%- set tools = none %}{%- endif %}{%- for t in tools %}{{- t.function | tojson(indent=4) }}{%- endfor %}")]
    public void ATemplate_GetsToolsAsTheyWereGiven(string template)
    {
        using ChatModel model = ModelWith(template);
        string text = model.ApplyChatTemplate([new("user", "Hi")], tools: """[{"type":"function","function":{"name":"weather","parameters":{"type":"object","required":["place"]}}}]""");
        Assert.AreEqual("""{"name":"weather","parameters":{"type":"object","required":["place"]}}""", string.Concat(text.Where(letter => !char.IsWhiteSpace(letter))));
    }

    [TestMethod]
    public void ATemplateOfTheTokenizersConfiguration_GetsToolsToo()
    {
        CopyPocket();
        string config = Path.Combine(_folder, "tokenizer_config.json");
        JsonObject facts = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
        facts["chat_template"] = "{% for tool in tools %}{{ tool.function.name }} {% endfor %}{{ messages[0].content }}";
        File.WriteAllText(config, facts.ToJsonString());
        File.Delete(Path.Combine(_folder, "chat_template.jinja"));
        using ChatModel model = new(_folder);
        Assert.AreEqual("weather Hi", model.ApplyChatTemplate([new("user", "Hi")], tools: """[{"type":"function","function":{"name":"weather"}}]"""));
    }

    [TestMethod]
    public void Functions_GoThroughSuchATemplateWhereTheModelChooses_ElseInWords()
    {
        using ChatModel model = ModelWithTools();
        ChatTurn[] turns = [new("user", "How is it?")];
        CallableFunction weather = new("weather", "A place's weather.");
        Assert.AreEqual(
            model.ApplyChatTemplate(turns, tools: """[{"type":"function","function":{"name":"weather","description":"A place's weather.","parameters":{"type":"object","properties":{},"additionalProperties":false}}}]"""),
            FunctionCallPrompt.Of(model, turns, new CallableFunctions([weather])));
        Assert.AreEqual(
            model.ApplyChatTemplate(
                [
                    new("system", """
                        Answer by calling one of these functions, as {"name": ..., "arguments": {...}}:
                        {"name":"weather","description":"A place's weather.","parameters":{"type":"object","properties":{},"additionalProperties":false}}
                        """),
                    .. turns,
                ]),
            FunctionCallPrompt.Of(model, turns, new CallableFunctions([weather], Required: true)));
    }

    [TestMethod]
    public void ToolsThatAreNoJson_AreRefused()
    {
        using ChatModel model = ModelWithTools();
        Assert.ThrowsExactly<ArgumentException>(() => model.ApplyChatTemplate([new("user", "Hi")], tools: "[{"));
    }

    [TestMethod]
    public void ATemplateOfMessagesAlone_TakesNoTools()
    {
        using ChatModel model = new(Material.Pocket());
        Assert.IsFalse(model.TemplateTakesTools);
    }

    private ChatModel ModelWithTools() => ModelWith(Template);

    private ChatModel ModelWith(string template)
    {
        CopyPocket();
        File.WriteAllText(Path.Combine(_folder, "chat_template.jinja"), template);
        return new ChatModel(_folder);
    }

    private void CopyPocket()
    {
        foreach (string file in Directory.GetFiles(Material.Pocket()))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
    }
}
