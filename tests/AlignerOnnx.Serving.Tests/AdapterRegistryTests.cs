using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using AlignerOnnx.Adapters;
using AlignerOnnx.GenAI.Tests;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Versions, aliases, roll back, unload, delete and vLLM's routes, over HTTP on a real model.</summary>
[TestClass]
public sealed class AdapterRegistryTests
{
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static readonly string[] s_compiled = new string[3];
    private static RunningServer s_server = null!;
    private static AdapterClient s_client = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        PatchedPocket.Write(s_folder);
        for (int i = 0; i < s_compiled.Length; i++)
        {
            s_compiled[i] = PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(21 + i));
        }
        Directory.CreateDirectory(Path.Combine(s_folder, "watched"));
        s_server = await RunningServer.StartAsync(Options());
        s_client = new AdapterClient(s_server.Address);
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        s_client.Dispose();
        await s_server.DisposeAsync();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public async Task Publish_AgainUnderTheSameName_NewRequestsGetTheNewVersionAndOldOnesStayNameable()
    {
        PublishedAdapter first = await s_client.PushAsync(s_compiled[0], "again", ["prod"]);
        (string one, string fingerprint) = await AskAsync("again");
        Assert.StartsWith($"fp_again@1:{first.Sha256[..12]}", fingerprint);
        PublishedAdapter second = await s_client.PushAsync(s_compiled[1], "again");
        Assert.AreEqual(2, second.Version);
        (string two, fingerprint) = await AskAsync("again");
        Assert.StartsWith("fp_again@2:", fingerprint);
        Assert.AreNotEqual(one, two);
        Assert.AreEqual(one, (await AskAsync("again@1")).Text);
        Assert.AreEqual(one, (await AskAsync("again@prod")).Text);
        Assert.AreEqual(two, (await AskAsync("again@2")).Text);

        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Post, "/v1/adapters/again/rollback", new { });
        Assert.AreEqual(one, (await AskAsync("again")).Text);
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Put, "/v1/adapters/again/aliases/prod", new { version = 2 });
        Assert.AreEqual(two, (await AskAsync("again@prod")).Text);
        await ExpectAsync(HttpStatusCode.Conflict, HttpMethod.Delete, "/v1/adapters/again/versions/2");
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Delete, "/v1/adapters/again/aliases/prod");
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Delete, "/v1/adapters/again/versions/2");
        Assert.AreEqual(HttpStatusCode.NotFound, (await PostAsync("again@2")).StatusCode);
    }

    [TestMethod]
    public async Task Publish_TheCurrentValuesAgain_AddsNoVersion()
    {
        PublishedAdapter first = await s_client.PushAsync(s_compiled[0], "same");
        Assert.AreEqual(first, await s_client.PushAsync(s_compiled[0], "same"));
    }

    [TestMethod]
    public async Task Number_OfADeletedAdapter_IsNeverGivenAgain()
    {
        Assert.AreEqual(1, (await s_client.PushAsync(s_compiled[0], "reborn")).Version);
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Delete, "/v1/models/reborn");
        Assert.AreEqual(HttpStatusCode.NotFound, (await PostAsync("reborn")).StatusCode);
        Assert.AreEqual(2, (await s_client.PushAsync(s_compiled[1], "reborn")).Version);
        Assert.AreEqual(HttpStatusCode.NotFound, (await PostAsync("reborn@1")).StatusCode);
    }

    [TestMethod]
    public async Task Package_PushedAndPulled_IsTheSameAndShowsItsLineage()
    {
        string package = WritePackage("lineage");
        PublishedAdapter pushed = await s_client.PushAsync(package);
        JsonElement version = await GetAsync("/v1/adapters/lineage/versions/1");
        Assert.AreEqual("package", version.GetProperty("kind").GetString());
        AdapterConfig config = AdapterPackage.Load(package).Config;
        Assert.AreEqual(config.BaseFingerprint, version.GetProperty("lineage").GetProperty("base_fingerprint").GetString());
        Assert.AreEqual("the data's hash", version.GetProperty("lineage").GetProperty("data_hash").GetString());
        Assert.AreEqual("the recipe", version.GetProperty("lineage").GetProperty("recipe").GetString());
        string pulled = Path.Combine(s_folder, "pulled");
        Assert.AreEqual(pushed, await s_client.PullAsync("lineage@1", pulled));
        foreach (string file in Directory.GetFiles(package))
        {
            CollectionAssert.AreEqual(await File.ReadAllBytesAsync(file), await File.ReadAllBytesAsync(Path.Combine(pulled, Path.GetFileName(file))));
        }
        JsonElement gates = await GetAsync("/v1/adapters/lineage/versions/1/gates");
        CollectionAssert.AreEqual(AdapterPackage.Load(package).Gates.ToArray(), gates.GetProperty("gates").EnumerateArray().Select(gate => gate.GetSingle()).ToArray());
    }

    [TestMethod]
    public async Task Vllm_LoadFromTheWatchedFolderAndUnload_ServesAndStops()
    {
        WritePackage("watched/tone");
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Post, "/v1/load_lora_adapter", new { lora_name = "by-vllm", lora_path = "tone" });
        Assert.StartsWith("fp_by-vllm@1:", (await AskAsync("by-vllm")).Fingerprint);
        await ExpectAsync(HttpStatusCode.BadRequest, HttpMethod.Post, "/v1/load_lora_adapter", new { lora_name = "by-vllm", lora_path = "tone" });
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Post, "/v1/unload_lora_adapter", new { lora_name = "by-vllm" });
        Assert.AreEqual(HttpStatusCode.NotFound, (await PostAsync("by-vllm")).StatusCode);
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Post, "/v1/load_lora_adapter", new { lora_name = "by-vllm" });
        Assert.StartsWith("fp_by-vllm@1:", (await AskAsync("by-vllm")).Fingerprint);
        foreach (string path in new[] { "/etc/passwd", "../tone", s_compiled[0], "" })
        {
            await ExpectAsync(HttpStatusCode.BadRequest, HttpMethod.Post, "/v1/load_lora_adapter", new { lora_name = "elsewhere", lora_path = path });
        }
    }

    [TestMethod]
    public async Task WatchedFolder_AppearsAndGoes_IsServedAndUnloaded()
    {
        WritePackage("watched/comes");
        await UntilAsync(async () => (await PostAsync("comes")).StatusCode == HttpStatusCode.OK);
        Directory.Delete(Path.Combine(s_folder, "watched", "comes"), recursive: true);
        await UntilAsync(async () => (await PostAsync("comes")).StatusCode == HttpStatusCode.NotFound);
    }

    [TestMethod]
    public async Task Upload_Refused_SaysWhyAndLeavesNothing()
    {
        string broken = Path.Combine(s_folder, "broken.onnx_adapter");
        await File.WriteAllBytesAsync(broken, new byte[100]);
        AdapterRefusedException e = await Assert.ThrowsExactlyAsync<AdapterRefusedException>(() => s_client.PushAsync(broken, "never"));
        StringAssert.Contains(e.Message, "TORT");
        Assert.DoesNotContain("aligner-state-", e.Message);
        await ExpectAsync(HttpStatusCode.NotFound, HttpMethod.Get, "/v1/adapters/never");
        foreach (string name in new[] { "", "pocket", "a@b", "../up", new string('x', 200) })
        {
            await Assert.ThrowsExactlyAsync<AdapterRefusedException>(() => s_client.PushAsync(s_compiled[0], name), name);
        }
    }

    [TestMethod]
    public async Task RollBack_WithoutABody_IsOneWithoutAVersion()
    {
        foreach (string compiled in s_compiled)
        {
            await s_client.PushAsync(compiled, "bare");
        }
        await ExpectAsync(HttpStatusCode.OK, HttpMethod.Post, "/v1/adapters/bare/rollback");
        Assert.StartsWith("fp_bare@2:", (await AskAsync("bare")).Fingerprint);
        // As curl -X POST sends it: no length and no content type.
        using TcpClient plain = new(s_server.Address.Host, s_server.Address.Port);
        await plain.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/adapters/bare/rollback HTTP/1.1\r\nHost: {s_server.Address.Authority}\r\nConnection: close\r\n\r\n"));
        using StreamReader answer = new(plain.GetStream());
        Assert.StartsWith("HTTP/1.1 200", await answer.ReadToEndAsync());
        Assert.StartsWith("fp_bare@1:", (await AskAsync("bare")).Fingerprint);

        await ExpectAsync(HttpStatusCode.BadRequest, HttpMethod.Post, "/v1/adapters/bare/rollback", new { verzion = 2 });
        using StringContent text = new("2", Encoding.UTF8, "text/plain");
        using HttpResponseMessage refused = await s_server.Http.PostAsync(new Uri("/v1/adapters/bare/rollback", UriKind.Relative), text);
        Assert.AreEqual(HttpStatusCode.UnsupportedMediaType, refused.StatusCode);
    }

    [TestMethod]
    public async Task RollBack_ByTheClient_MovesTheNameThatTheHistoryShows()
    {
        await s_client.PushAsync(s_compiled[0], "history", ["prod"]);
        PublishedAdapter second = await s_client.PushAsync(s_compiled[1], "history");
        IReadOnlyList<VersionSummary> versions = await s_client.ListVersionsAsync("history");
        CollectionAssert.AreEqual(new[] { 1, 2 }, versions.Select(each => each.Version).ToArray());
        CollectionAssert.AreEqual(new[] { false, true }, versions.Select(each => each.IsCurrent).ToArray());
        CollectionAssert.AreEqual(new[] { "prod" }, versions[0].Aliases.ToArray());
        Assert.AreEqual(second.Sha256, versions[1].Sha256);

        Assert.AreEqual(1, await s_client.RollBackAsync("history"));
        Assert.StartsWith("fp_history@1:", (await AskAsync("history")).Fingerprint);
        Assert.AreEqual(2, await s_client.RollBackAsync("history", "2"));
        Assert.AreEqual(1, await s_client.RollBackAsync("history", "prod"));
        await Assert.ThrowsExactlyAsync<AdapterRefusedException>(() => s_client.RollBackAsync("history"));
        await Assert.ThrowsExactlyAsync<AdapterRefusedException>(() => s_client.ListVersionsAsync("no-such-adapter"));
    }

    /// <summary>One of many adapters cannot be served: which one must be said.</summary>
    [TestMethod]
    public void Build_AdapterOfTheFolderWithABadName_IsRefusedWithItsPath()
    {
        string folder = Path.Combine(s_folder, "badly-named");
        string adapter = Path.Combine(folder, "two words");
        SampleAdapter.Write(adapter, s_folder);
        AdapterRefusedException refusal = Assert.ThrowsExactly<AdapterRefusedException>(() => AlignerServer.Build(Options() with { AdapterFolder = folder }));
        Assert.AreEqual(adapter, refusal.Where);
    }

    /// <summary>Else each would be published over the other, again at every start.</summary>
    [TestMethod]
    public void Build_FolderAndCompiledFileOfOneName_AreRefusedWithBothPaths()
    {
        string folder = Path.Combine(s_folder, "namesakes");
        SampleAdapter.Write(Path.Combine(folder, "json"), s_folder);
        File.Copy(s_compiled[0], Path.Combine(folder, "json.onnx_adapter"));
        AdapterRefusedException refusal = Assert.ThrowsExactly<AdapterRefusedException>(() => AlignerServer.Build(Options() with { AdapterFolder = folder }));
        string places = $"{refusal.Where} {refusal.Found}";
        Assert.Contains("Two adapters have the same name", refusal.What);
        Assert.Contains($"{Path.Combine(folder, "json")} ", places);
        Assert.Contains(Path.Combine(folder, "json.onnx_adapter"), places);
    }

    [TestMethod]
    public async Task State_OfAStoppedServer_IsThereAgain()
    {
        string state = Path.Combine(s_folder, "state");
        string text;
        await using (RunningServer first = await RunningServer.StartAsync(Options() with { AdapterFolder = null, StateFolder = state }))
        {
            using AdapterClient client = new(first.Address);
            await client.PushAsync(s_compiled[0], "kept", ["prod"]);
            await client.PushAsync(s_compiled[1], "kept");
            text = (await AskAsync("kept@prod", first)).Text;
            Assert.ThrowsExactly<IOException>(() => AlignerServer.Build(Options() with { StateFolder = state }));
        }
        await using RunningServer second = await RunningServer.StartAsync(Options() with { AdapterFolder = null, StateFolder = state });
        Assert.AreEqual(text, (await AskAsync("kept@prod", second)).Text);
        Assert.StartsWith("fp_kept@2:", (await AskAsync("kept", second)).Fingerprint);
    }

    /// <summary>Many clients ask while the name is published over and over: each answer must be that of the version it says, no older than the last one published before it was asked.</summary>
    [TestMethod]
    public async Task Swap_UnderLoad_NeverAnswersFromAnotherVersion()
    {
        string[] solo = new string[3];
        for (int i = 0; i < 3; i++)
        {
            await s_client.PushAsync(s_compiled[i], $"solo-{i}");
            solo[i] = (await AskAsync($"solo-{i}")).Text;
        }
        Assert.HasCount(3, solo.Distinct().ToArray(), "the adapters must differ");
        int published = (await s_client.PushAsync(s_compiled[1], "swapped")).Version;
        using CancellationTokenSource done = new();
        Task<int>[] clients = [.. Enumerable.Range(0, 6).Select(_ => Task.Run(async () =>
        {
            int answers = 0;
            while (!done.IsCancellationRequested)
            {
                int least = Volatile.Read(ref published);
                (string text, string fingerprint) = await AskAsync("swapped");
                int version = int.Parse(fingerprint["fp_swapped@".Length..].Split(':')[0], System.Globalization.CultureInfo.InvariantCulture);
                Assert.IsGreaterThanOrEqualTo(least, version);
                Assert.AreEqual(solo[version % 3], text, fingerprint);
                answers++;
            }
            return answers;
        }))];
        for (int i = 0; i < 60; i++)
        {
            int next = published + 1;
            Volatile.Write(ref published, (await s_client.PushAsync(s_compiled[next % 3], "swapped")).Version);
            Assert.AreEqual(next, published);
        }
        await done.CancelAsync();
        Assert.IsGreaterThan(6, (await Task.WhenAll(clients)).Sum());
    }

    private static ServingOptions Options() => RunningServer.Pocket with { ModelFolder = s_folder, BaseModelName = "pocket", MaxConcurrency = 8, AdapterFolder = Path.Combine(s_folder, "watched") };

    private static string WritePackage(string name)
    {
        string folder = Path.Combine(s_folder, name);
        SampleAdapter.Write(folder, s_folder);
        return folder;
    }

    private static async Task<(string Text, string Fingerprint)> AskAsync(string model, RunningServer? server = null)
    {
        using HttpResponseMessage response = await PostAsync(model, server);
        string body = await response.Content.ReadAsStringAsync();
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, body);
        JsonElement answer = JsonDocument.Parse(body).RootElement;
        return (answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!, answer.GetProperty("system_fingerprint").GetString()!);
    }

    private static Task<HttpResponseMessage> PostAsync(string model, RunningServer? server = null) =>
        (server ?? s_server).PostAsync($"{{\"model\":\"{model}\",\"max_tokens\":12,\"temperature\":0,\"messages\":[{{\"role\":\"user\",\"content\":\"Tell me where a pig lives.\"}}]}}");

    private static async Task<JsonElement> GetAsync(string path) => await s_server.Http.GetFromJsonAsync<JsonElement>(new Uri(path, UriKind.Relative));

    private static async Task ExpectAsync(HttpStatusCode status, HttpMethod method, string path, object? body = null)
    {
        using HttpRequestMessage request = new(method, new Uri(path, UriKind.Relative));
        request.Content = body is null ? null : new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await s_server.Http.SendAsync(request);
        Assert.AreEqual(status, response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        // A net, so that a failure does not hang the suite.
        for (int i = 0; i < 600; i++)
        {
            if (await condition())
            {
                return;
            }
            await Task.Delay(100);
        }
        Assert.Fail("it never happened");
    }
}
