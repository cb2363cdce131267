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
        foreach (string file in Directory.GetFiles(Material.Pocket()))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
        File.WriteAllText(Path.Combine(_folder, "chat_template.jinja"), Template);
        using ChatModel model = new(_folder);
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
    public void ATemplateOfMessagesAlone_TakesNoTools()
    {
        using ChatModel model = new(Material.Pocket());
        Assert.IsFalse(model.TemplateTakesTools);
    }
}
