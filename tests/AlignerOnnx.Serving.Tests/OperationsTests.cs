using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Roles, health, metrics, draining, and the description of the API.</summary>
[TestClass]
public sealed partial class OperationsTests
{
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static readonly Dictionary<KeyRole, string> s_keys = [];
    private static RunningServer s_server = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        string file = Path.Combine(s_folder, "keys.json");
        foreach (KeyRole role in Enum.GetValues<KeyRole>())
        {
            s_keys[role] = ApiKeyFile.Add(file, $"{role}", role);
        }
        Assert.IsFalse(s_keys.Values.Any(key => File.ReadAllText(file).Contains(key, StringComparison.Ordinal)), "keys are kept as hashes only");
        s_server = await RunningServer.StartAsync(RunningServer.Pocket with { Keys = ApiKeyFile.Read(file) });
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        await s_server.DisposeAsync();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public async Task EveryRouteOfTheDescription_AsksForItsRole()
    {
        foreach ((HttpMethod method, string path, string? role) in await RoutesAsync())
        {
            Assert.AreEqual(role is null ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, await StatusAsync(method, path, null), $"{method} {path} without a key");
            Assert.AreEqual(role is null ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, await StatusAsync(method, path, "ak-wrong"), $"{method} {path} with a wrong key");
            foreach ((KeyRole has, string key) in s_keys)
            {
                bool enough = role is null || has >= Enum.Parse<KeyRole>(role, ignoreCase: true);
                HttpStatusCode status = await StatusAsync(method, path, key);
                Assert.AreEqual(!enough, status == HttpStatusCode.Forbidden, $"{method} {path} as {has}: {status}");
                Assert.AreNotEqual(HttpStatusCode.Unauthorized, status, $"{method} {path} as {has}");
            }
        }
    }

    [TestMethod]
    public async Task Description_HoldsEveryMappedRouteAndNoOther()
    {
        string[] described = [.. (await RoutesAsync()).Select(route => $"{route.Method} {route.Path}").Order(StringComparer.Ordinal)];
        string[] mapped =
        [
            .. s_server.Routes()
                .Where(route => !route.Contains("/reference", StringComparison.Ordinal) && !route.Contains("{*path}", StringComparison.Ordinal))
                .Select(route => route.Replace("**", "", StringComparison.Ordinal))
                .Select(route => route.Length > "GET /".Length ? route.TrimEnd('/') : route)
                .Order(StringComparer.Ordinal),
        ];
        CollectionAssert.AreEqual(mapped, described, $"only mapped: {string.Join(", ", mapped.Except(described))}; only described: {string.Join(", ", described.Except(mapped))}");
    }

    /// <summary>As some load balancers ask.</summary>
    [TestMethod]
    [DataRow("/health")]
    [DataRow("/health/live")]
    [DataRow("/health/ready")]
    public async Task Health_AskedByHead_IsAnsweredAsByGet(string path)
    {
        using HttpResponseMessage whole = await s_server.Http.GetAsync(new Uri(path, UriKind.Relative));
        using HttpRequestMessage request = new(HttpMethod.Head, new Uri(path, UriKind.Relative));
        using HttpResponseMessage head = await s_server.Http.SendAsync(request);
        Assert.AreEqual(HttpStatusCode.OK, head.StatusCode);
        Assert.AreEqual(whole.Content.Headers.ContentType, head.Content.Headers.ContentType);
    }

    [TestMethod]
    public async Task Reference_IsServedWithoutForeignAddresses()
    {
        string page = await GetAsync("/reference/", KeyRole.Use);
        StringAssert.Contains(page, "openapi.json");
        Assert.IsFalse(ForeignScript().IsMatch(page), page);
    }

    [TestMethod]
    public async Task Metrics_AfterARequest_CountItUnderTheConventionsNames()
    {
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri("/v1/chat/completions", UriKind.Relative))
        {
            Content = new StringContent("{\"model\":\"pocket\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", s_keys[KeyRole.Use]);
        using HttpResponseMessage response = await s_server.Http.SendAsync(request);
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode);
        string metrics = await GetAsync("/metrics", KeyRole.Use);
        foreach (string name in new[] { "gen_ai_server_request_duration_seconds_count", "gen_ai_server_time_to_first_token_seconds_bucket", "gen_ai_client_token_usage_sum", "aligner_server_active_requests" })
        {
            StringAssert.Contains(metrics, name);
        }
        StringAssert.Contains(metrics, "aligner_adapter_id=\"base\"");
        foreach (string line in metrics.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#'))
        {
            Assert.IsTrue(MetricLine().IsMatch(line), line);
        }
    }

    [TestMethod]
    public async Task Page_OfAnotherOrigin_IsNotServed()
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri("/v1/models", UriKind.Relative));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", s_keys[KeyRole.Admin]);
        request.Headers.Add("Origin", "https://attacker.example");
        using HttpResponseMessage response = await s_server.Http.SendAsync(request);
        await RefusalTests.ErrorOf(response, HttpStatusCode.Forbidden);
    }

    [TestMethod]
    public async Task Browser_AsksForTheKeyAndSendsItAsPassword()
    {
        using HttpRequestMessage first = new(HttpMethod.Get, new Uri("/", UriKind.Relative));
        first.Headers.Accept.ParseAdd("text/html");
        using HttpResponseMessage asked = await s_server.Http.SendAsync(first);
        Assert.AreEqual("Basic", asked.Headers.WwwAuthenticate.Single().Scheme);
        using HttpRequestMessage second = new(HttpMethod.Get, new Uri("/", UriKind.Relative));
        second.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"anyone:{s_keys[KeyRole.Use]}")));
        using HttpResponseMessage page = await s_server.Http.SendAsync(second);
        Assert.AreEqual(HttpStatusCode.OK, page.StatusCode);
        Assert.AreEqual("text/html", page.Content.Headers.ContentType!.MediaType);
    }

    [TestMethod]
    public async Task Stop_WhileAnswering_LetsTheAnswerEnd()
    {
        RunningServer server = await RunningServer.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri("/v1/chat/completions", UriKind.Relative))
        {
            Content = new StringContent("{\"model\":\"pocket\",\"temperature\":2,\"top_k\":1000,\"seed\":3,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", Encoding.UTF8, "application/json"),
        };
        using HttpResponseMessage response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Task stopping = server.StopAsync();
        StringAssert.EndsWith(await response.Content.ReadAsStringAsync(), "data: [DONE]\n\n");
        await stopping;
        await server.DisposeAsync();
    }

    /// <summary>Load balancers must see the server go while it still answers.</summary>
    [TestMethod]
    public async Task Stop_WhileAnswersAreAwaited_IsNotReadyAndTakesNoNewOnes()
    {
        const string Long = "{\"model\":\"pocket\",\"structured_outputs\":{\"regex\":\"[a-z ]{900}\"},\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { MaxConcurrency = 1 });
        Task<HttpResponseMessage>[] asked = [.. Enumerable.Range(0, 6).Select(_ => server.PostAsync(Long))];
        using HttpResponseMessage first = await await Task.WhenAny(asked);
        Task stopping = server.StopAsync();
        using HttpResponseMessage ready = await server.Http.GetAsync(new Uri("/health/ready", UriKind.Relative));
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        using HttpResponseMessage live = await server.Http.GetAsync(new Uri("/health/live", UriKind.Relative));
        Assert.AreEqual(HttpStatusCode.OK, live.StatusCode);
        using HttpResponseMessage refused = await server.PostAsync(Long);
        Assert.AreEqual("server_stopping", (await RefusalTests.ErrorOf(refused, HttpStatusCode.ServiceUnavailable)).GetProperty("code").GetString());
        Assert.IsNotNull(refused.Headers.RetryAfter);
        Assert.IsTrue((await Task.WhenAll(asked)).All(answer => answer.StatusCode == HttpStatusCode.OK));
        await stopping;
    }

    [TestMethod]
    public void KeyFile_MissingOrMalformed_IsRefused()
    {
        foreach (string content in new[] { "", "{}", "[]", "[{}]", "[{\"name\":\"a\",\"role\":\"root\",\"sha256\":\"00\"}]", "[{\"name\":\"a\",\"role\":\"use\",\"sha256\":\"zz\"}]" })
        {
            string path = Path.Combine(s_folder, "bad.json");
            File.WriteAllText(path, content);
            Assert.ThrowsExactly<DataRefusedException>(() => ApiKeyFile.Read(path), content);
        }
        Assert.ThrowsExactly<DataRefusedException>(() => ApiKeyFile.Read(Path.Combine(s_folder, "none.json")));
    }

    private static async Task<(HttpMethod Method, string Path, string? Role)[]> RoutesAsync()
    {
        JsonElement paths = JsonDocument.Parse(await GetAsync("/openapi.json", KeyRole.Use)).RootElement.GetProperty("paths");
        return [.. from path in paths.EnumerateObject()
                   from operation in path.Value.EnumerateObject()
                   select (new HttpMethod(operation.Name.ToUpperInvariant()), path.Name, operation.Value.TryGetProperty("x-role", out JsonElement role) ? role.GetString() : null)];
    }

    private static async Task<string> GetAsync(string path, KeyRole role)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(path, UriKind.Relative));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", s_keys[role]);
        using HttpResponseMessage response = await s_server.Http.SendAsync(request);
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, path);
        return await response.Content.ReadAsStringAsync();
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpMethod method, string path, string? key)
    {
        // Names that nothing has: a role that suffices gets 404 or 400, and nothing changes.
        using HttpRequestMessage request = new(method, new Uri(Parameter().Replace(path, "none"), UriKind.Relative));
        request.Content = method == HttpMethod.Post || method == HttpMethod.Put ? new StringContent("{}", Encoding.UTF8, "application/json") : null;
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        using HttpResponseMessage response = await s_server.Http.SendAsync(request);
        return response.StatusCode;
    }

    [GeneratedRegex(@"\{[a-z*]+\}")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"(src|href)=.https?:")]
    private static partial Regex ForeignScript();

    [GeneratedRegex(@"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*=""([^""\\]|\\.)*"",?)*\})? (NaN|[+-]?Inf|[-+0-9.eE]+)$")]
    private static partial Regex MetricLine();
}
