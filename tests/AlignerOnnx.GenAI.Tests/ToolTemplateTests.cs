using AlignerOnnx.TestMaterial;

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
        // GenAI gives templates the function itself. White space in JSON is its own.
        Assert.AreEqual(
            "<tools>{\"name\":\"weather\",\"description\":\"Ofaplace.\",\"parameters\":{\"type\":\"object\"}}</tools><|user|>Howisit?<|end|><|assistant|><tool_call>weather{\"place\":\"Rome\"}</tool_call><|end|><|tool|>sunny<|end|>",
            string.Concat(text.Where(letter => !char.IsWhiteSpace(letter))));
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
    public void ATemplateOfMessagesAlone_TakesNoTools()
    {
        using ChatModel model = new(Material.Pocket());
        Assert.IsFalse(model.TemplateTakesTools);
    }

    private ChatModel ModelWithTools()
    {
        foreach (string file in Directory.GetFiles(Material.Pocket()))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
        File.WriteAllText(Path.Combine(_folder, "chat_template.jinja"), Template);
        return new ChatModel(_folder);
    }
}
