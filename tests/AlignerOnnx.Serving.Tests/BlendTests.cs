using System.Net;
using System.Text.Json;
using AlignerOnnx.GenAI.Tests;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Adapters at scales of their own: the answers are those of adapters that were made with the sum of the values.</summary>
[TestClass]
public sealed class BlendTests
{
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static RunningServer s_server = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        PatchedPocket.Write(s_folder);
        float[] one = PatchedPocket.RandomDelta(31), two = PatchedPocket.RandomDelta(32);
        float[] sum = [.. one.Zip(two, (a, b) => (float)((0.7 * a) + (0.3 * b)))];
        float[] half = [.. one.Select(a => (float)(0.5 * a))];
        s_server = await RunningServer.StartAsync(RunningServer.Pocket with
        {
            ModelFolder = s_folder,
            BaseModelName = "pocket",
            Adapters =
            [
                new AdapterSource("one", PatchedPocket.WriteAdapter(s_folder, one)),
                new AdapterSource("two", PatchedPocket.WriteAdapter(s_folder, two)),
                new AdapterSource("sum", PatchedPocket.WriteAdapter(s_folder, sum)),
                new AdapterSource("half", PatchedPocket.WriteAdapter(s_folder, half)),
            ],
        });
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        await s_server.DisposeAsync();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    [DataRow("[{\"id\":\"one\",\"scale\":0.7},{\"id\":\"two@1\",\"scale\":0.3}]", "sum")]
    [DataRow("[{\"id\":\"one\",\"scale\":0.5}]", "half")]
    [DataRow("[{\"id\":\"one\"}]", "one")]
    [DataRow("[{\"id\":\"one\",\"scale\":0}]", "pocket")]
    [DataRow("[]", "pocket")]
    public async Task Blend_AnswersAsTheAdapterOfTheSum(string adapters, string same)
    {
        JsonElement blended = await AskAsync("pocket", adapters);
        JsonElement expected = await AskAsync(same, "null");
        Assert.AreEqual(Text(expected), Text(blended));
        if (same == "sum")
        {
            StringAssert.Matches(blended.GetProperty("system_fingerprint").GetString(), new(@"^fp_one@1:[0-9a-f]{12}\*0\.7\+two@1:[0-9a-f]{12}\*0\.3$"));
        }
    }

    [TestMethod]
    public async Task Blend_WithoutAModel_GoesOnTheBase()
    {
        const string blend = "[{\"id\":\"one\",\"scale\":0.5}]";
        Assert.AreEqual(Text(await AskAsync("half", "null")), Text(await AskAsync(null, blend)));
    }

    [TestMethod]
    [DataRow(null, "[]", "model", 400)]
    [DataRow("one", "[{\"id\":\"two\"}]", "model", 400)]
    [DataRow("pocket", "[{}]", "adapters[0].id", 400)]
    [DataRow("pocket", "[null]", "adapters[0].id", 400)]
    [DataRow("pocket", "[{\"id\":\"none\"}]", "adapters[0].id", 404)]
    [DataRow("pocket", "[{\"id\":\"one\"},{\"id\":\"pocket\"}]", "adapters[1].id", 404)]
    [DataRow("pocket", "[{\"id\":\"one\",\"sacle\":0.5}]", "adapters[0].sacle", 400)]
    [DataRow("pocket", "[{\"id\":\"one\",\"scale\":11}]", "adapters[0].scale", 400)]
    [DataRow("pocket", "[{\"id\":\"one\",\"scale\":1e999}]", "adapters[0].scale", 400)]
    public async Task Blend_Bad_IsRefusedAndNamesTheParameter(string? model, string adapters, string param, int status)
    {
        using HttpResponseMessage response = await s_server.PostAsync(Body(model, adapters));
        JsonElement error = await RefusalTests.ErrorOf(response, (HttpStatusCode)status);
        Assert.AreEqual(param, error.GetProperty("param").GetString());
    }

    private static async Task<JsonElement> AskAsync(string? model, string adapters)
    {
        using HttpResponseMessage response = await s_server.PostAsync(Body(model, adapters));
        string body = await response.Content.ReadAsStringAsync();
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, body);
        return JsonDocument.Parse(body).RootElement;
    }

    private static string Body(string? model, string adapters) =>
        $"{{\"model\":{(model is null ? "null" : $"\"{model}\"")},\"adapters\":{adapters},\"max_tokens\":16,\"temperature\":0,\"messages\":[{{\"role\":\"user\",\"content\":\"Tell me where a pig lives.\"}}]}}";

    private static string Text(JsonElement answer) => answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}
