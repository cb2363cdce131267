using AlignerOnnx.TestMaterial;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI.Tests;

[TestClass]
public sealed class ChatClientTests
{
    [TestMethod]
    public async Task GetResponse_Question_AnswersWithUsageAndFinishReason()
    {
        using AlignerChatClient client = new(new ChatModel(Material.Pocket()), "pocket", ownsModel: true);
        ChatResponse response = await client.GetResponseAsync("Tell me where a pig lives.", new ChatOptions { Temperature = 0, ModelId = "pocket" });
        StringAssert.Contains(response.Text, "sty");
        Assert.AreEqual(ChatFinishReason.Stop, response.FinishReason);
        Assert.IsGreaterThan(0, response.Usage!.InputTokenCount!.Value);
        Assert.AreEqual(response.Usage.TotalTokenCount, response.Usage.InputTokenCount + response.Usage.OutputTokenCount);
    }

    [TestMethod]
    public async Task GetResponse_UnknownModel_IsRefused()
    {
        using AlignerChatClient client = new(new ChatModel(Material.Pocket()), "pocket", ownsModel: true);
        await Assert.ThrowsExactlyAsync<ArgumentException>(() => client.GetResponseAsync("Hi", new ChatOptions { ModelId = "other" }));
    }
}
