using AlignerOnnx.TestMaterial;
using OpenAI.Chat;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Names of those who speak in a conversation, as the official client sends them.</summary>
[TestClass]
public sealed class ParticipantNameTests
{
    private static readonly ChatMessage[] Named =
    [
        new SystemChatMessage("Be brief.") { ParticipantName = "host" },
        new UserChatMessage("Hi") { ParticipantName = "Ada" },
        new AssistantChatMessage("Yo") { ParticipantName = "writer" },
        new UserChatMessage("And?") { ParticipantName = new string('N', 64) },
    ];

    [TestMethod]
    public async Task ATemplateThatMentionsNames_GetsThem()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            GenAI.Tests.PatchedPocket.Write(folder);
            await File.WriteAllTextAsync(Path.Combine(folder, "chat_template.jinja"), "{% for message in messages %}{% if message.name %}{{ message.name }}: {% endif %}{{ message.content }}\n{% endfor %}");
            await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = folder });
            await AssertSameAsync(server, Named, [new SystemChatMessage("host: Be brief."), new UserChatMessage("Ada: Hi"), new AssistantChatMessage("writer: Yo"), new UserChatMessage($"{new string('N', 64)}: And?")]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public async Task InOtherTemplates_NamesHaveNoEffect()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        await AssertSameAsync(server, Named, [new SystemChatMessage("Be brief."), new UserChatMessage("Hi"), new AssistantChatMessage("Yo"), new UserChatMessage("And?")]);
    }

    private static async Task AssertSameAsync(RunningServer server, ChatMessage[] named, ChatMessage[] plain)
    {
        ChatCompletionOptions options = new() { MaxOutputTokenCount = 8, Temperature = 0 };
        ChatCompletion expected = await server.Chat().CompleteChatAsync(plain, options);
        ChatCompletion answer = await server.Chat().CompleteChatAsync(named, options);
        Assert.AreEqual(expected.Usage.InputTokenCount, answer.Usage.InputTokenCount);
        Assert.AreEqual(expected.Content[0].Text, answer.Content[0].Text);
    }
}
