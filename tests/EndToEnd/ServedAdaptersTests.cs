using System.ClientModel;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;

namespace AlignerOnnx.EndToEnd;

/// <summary>The whole path with the built tool and the official client: train two adapters, serve them, and let each answer in its own form at the same time.</summary>
[TestClass]
public sealed class ServedAdaptersTests
{
    private static readonly string[] Questions = ["Tell me where a pig lives.", "Tell me the sum of three and one.", "Tell me the opposite of old.", "Tell me the sum of one and two."];
    private static string s_folder = "";
    private static Process? s_server;
    private static Uri s_address = new("http://127.0.0.1");

    [ClassInitialize]
    public static async Task TrainAndServe(TestContext context)
    {
        s_folder = Material.NewTemporaryFolder();
        await Train("json", steps: 120, rate: "0.02");
        await Train("pirate", steps: 150, rate: "0.03");
        (s_server, s_address) = await AlignerProcess.ServeAsync(["serve", Material.Pocket(), "--adapters", Path.Combine(s_folder, "adapters"), "--urls", "http://127.0.0.1:0", "--name", "pocket"]);
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        if (s_server is not null)
        {
            await AlignerProcess.StopAsync(s_server);
        }
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public async Task Complete_BaseAndTwoAdaptersAtOnce_EachAnswersInItsOwnForm()
    {
        var answers = await Task.WhenAll(Questions.SelectMany(question => new[] { "pocket", "json", "pirate" }.Select(async model => (model, text: await Ask(model, question)))));
        foreach ((string model, string text) in answers)
        {
            Assert.AreEqual(model == "json", IsJsonAnswer(text), $"{model}: {text}");
            Assert.AreEqual(model == "pirate", text.StartsWith("Arr, matey!", StringComparison.Ordinal), $"{model}: {text}");
        }
    }

    [TestMethod]
    public async Task Complete_Streamed_SaysTheSameAsWhole()
    {
        foreach (string model in new[] { "pocket", "json", "pirate" })
        {
            StringBuilder text = new();
            await foreach (StreamingChatCompletionUpdate update in Client(model).CompleteChatStreamingAsync([new UserChatMessage(Questions[0])]))
            {
                text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            }
            Assert.AreEqual(await Ask(model, Questions[0]), text.ToString(), model);
        }
    }

    [TestMethod]
    public async Task Models_NameTheBaseAsParentOfEveryAdapter()
    {
        using HttpClient http = new();
        JsonElement models = (await http.GetFromJsonAsync<JsonElement>(new Uri(s_address, "/v1/models"))).GetProperty("data");
        Dictionary<string, string?> parents = models.EnumerateArray().ToDictionary(
            model => model.GetProperty("id").GetString()!, model => model.TryGetProperty("parent", out JsonElement parent) ? parent.GetString() : null);
        Assert.HasCount(3, parents);
        Assert.IsNull(parents["pocket"]);
        Assert.AreEqual("pocket", parents["json"]);
        Assert.AreEqual("pocket", parents["pirate"]);
    }

    [TestMethod]
    public async Task Complete_OfAModelThatIsNotServed_IsNotFound()
    {
        ClientResultException refusal = await Assert.ThrowsExactlyAsync<ClientResultException>(() => Client("polite").CompleteChatAsync([new UserChatMessage(Questions[0])]));
        Assert.AreEqual(404, refusal.Status);
    }

    private static async Task Train(string form, int steps, string rate) => (await AlignerProcess.RunAsync(
        "train", "sft", Material.Pocket(), "--data", Material.PocketData($"form-{form}.train.jsonl"), "--steps", $"{steps}", "--learning-rate", rate,
        "-o", Path.Combine(s_folder, "adapters", form))).Expect(0);

    private static ChatClient Client(string model) => new(model, new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(s_address, "/v1") });

    private static async Task<string> Ask(string model, string question) => (await Client(model).CompleteChatAsync([new UserChatMessage(question)])).Value.Content[0].Text;

    private static bool IsJsonAnswer(string text)
    {
        try
        {
            return JsonDocument.Parse(text).RootElement.GetProperty("answer").GetString() is not null;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
