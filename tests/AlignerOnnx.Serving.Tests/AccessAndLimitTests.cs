using System.ClientModel;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using OpenAI.Chat;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Keys, addresses, queues and time limits.</summary>
[TestClass]
public sealed class AccessAndLimitTests
{
    private const string StreamedRequest = "{\"model\":\"pocket\",\"temperature\":2,\"top_k\":1000,\"seed\":3,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    [TestMethod]
    public async Task Key_MissingOrWrong_Is401AndHealthNeedsNone()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ApiKey = "the-key" });
        using HttpResponseMessage without = await server.Http.GetAsync(new Uri("/v1/models", UriKind.Relative));
        await RefusalTests.ErrorOf(without, HttpStatusCode.Unauthorized);
        ClientResultException e = await Assert.ThrowsExactlyAsync<ClientResultException>(() => server.Chat(key: "other").CompleteChatAsync([new UserChatMessage("Hi")]));
        Assert.AreEqual(401, e.Status);
        ChatCompletion completion = await server.Chat(key: "the-key").CompleteChatAsync([new UserChatMessage("Hi")]);
        Assert.IsNotNull(completion.Id);
        using HttpResponseMessage health = await server.Http.GetAsync(new Uri("/health", UriKind.Relative));
        Assert.AreEqual(HttpStatusCode.OK, health.StatusCode);
    }

    [TestMethod]
    [DataRow("http://0.0.0.0:0")]
    [DataRow("http://*:0")]
    [DataRow("http://[::]:0")]
    [DataRow("http://example.org:80")]
    [DataRow("https://127.0.0.1:0")]
    [DataRow("http://unix:/tmp/socket")]
    [DataRow("nonsense")]
    public void Build_AddressBeyondLoopbackWithoutKey_IsRefused(string url) =>
        Assert.ThrowsExactly<ArgumentException>(() => AlignerServer.Build(RunningServer.Pocket with { Urls = [url] }));

    [TestMethod]
    public async Task Build_AddressBeyondLoopbackWithKey_IsAccepted() =>
        await AlignerServer.Build(RunningServer.Pocket with { Urls = ["http://0.0.0.0:0"], ApiKey = "the-key" }).DisposeAsync();

    [TestMethod]
    public void Build_BadOptions_AreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => AlignerServer.Build(RunningServer.Pocket with { MaxConcurrency = 0 }));
        Assert.ThrowsExactly<ArgumentException>(() => AlignerServer.Build(RunningServer.Pocket with { Adapters = [new("pocket", "a.onnx_adapter")] }));
        Assert.ThrowsExactly<AdapterRefusedException>(() => AlignerServer.Build(RunningServer.Pocket with { Adapters = [new("a", "missing.onnx_adapter")] }));
        Assert.ThrowsExactly<ModelRefusedException>(() => AlignerServer.Build(RunningServer.Pocket with { ModelFolder = "missing" }));
    }

    [TestMethod]
    public async Task Queue_Full_Is429WithRetryAfter()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { MaxConcurrency = 1, QueueLength = 0 });
        HttpResponseMessage[] responses = [];
        HttpResponseMessage? refused = null;
        // The model answers in milliseconds, so a round may happen not to overlap.
        for (int round = 0; round < 20 && refused is null; round++)
        {
            responses = await Task.WhenAll(Enumerable.Range(0, 24).Select(_ => server.PostAsync(StreamedRequest)));
            refused = responses.FirstOrDefault(r => r.StatusCode == HttpStatusCode.TooManyRequests);
        }
        Assert.IsNotNull(refused, string.Join(' ', responses.Select(r => (int)r.StatusCode)));
        Assert.IsNotNull(refused.Headers.RetryAfter);
        await RefusalTests.ErrorOf(refused, HttpStatusCode.TooManyRequests);
        Assert.Contains(HttpStatusCode.OK, responses.Select(r => r.StatusCode));
    }

    [TestMethod]
    public async Task Timeout_BodyNeverCompletes_Is408()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { RequestTimeout = TimeSpan.FromMilliseconds(200) });
        using TcpClient client = new();
        await client.ConnectAsync(server.Address.Host, server.Address.Port);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{\"model\":"u8.ToArray());
        byte[] answer = new byte[4096];
        int count = await stream.ReadAsync(answer);
        StringAssert.StartsWith(Encoding.UTF8.GetString(answer, 0, count), "HTTP/1.1 408");
    }

    /// <summary>The status is sent already, so only the stream's last event and the metrics can tell.</summary>
    [TestMethod]
    public async Task Timeout_WhileStreaming_IsMeasuredAsAnError()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { RequestTimeout = TimeSpan.FromMilliseconds(500), MaxChoices = 64 });
        const string LongAnswers = """{"model":"pocket","n":64,"max_tokens":256,"logit_bias":{"1":-100},"stream":true,"messages":[{"role":"user","content":"Hi"}]}""";
        // Their end is forbidden them, so that none is done in time; those of a cold server may not get as far as their first token.
        using HttpResponseMessage cold = await server.PostAsync(LongAnswers);
        int before = await TimeoutsAsync();
        using HttpResponseMessage warm = await server.PostAsync(LongAnswers);
        Assert.AreEqual(HttpStatusCode.OK, warm.StatusCode);
        StringAssert.Contains(await warm.Content.ReadAsStringAsync(), "\"timeout\"");
        Assert.AreEqual(before + 1, await TimeoutsAsync());

        async Task<int> TimeoutsAsync() => (await server.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative))).Split('\n')
            .Where(line => line.StartsWith("gen_ai_server_request_duration_seconds_count", StringComparison.Ordinal) && line.Contains("error_type=\"timeout\"", StringComparison.Ordinal))
            .Sum(line => int.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture));
    }

    [TestMethod]
    public async Task Client_Gone_FreesItsPlace()
    {
        const int Clients = 5;
        const int Tokens = 400;
        // Side by side, so that the steps take longer than a machine needs to see that a client has gone.
        const int Answers = 32;
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { MaxConcurrency = 1, QueueLength = Clients, MaxTokens = Tokens, MaxChoices = Answers });
        using ChatModel model = new(RunningServer.Pocket.ModelFolder);
        // No answer ends by itself: one that is not given up has all its tokens.
        byte[] body = Encoding.UTF8.GetBytes($"{{\"model\":\"pocket\",\"stream\":true,\"n\":{Answers},\"max_tokens\":{Tokens},\"logit_bias\":{{\"{model.EndOfTextId}\":-100,\"{model.Encode("<|end|>").Single()}\":-100}},\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}]}}");
        byte[] head = Encoding.UTF8.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n");
        for (int i = 0; i < Clients; i++)
        {
            // A socket, because HttpClient reads on behind a response that is disposed of. It is reset as soon as the answer begins.
            using TcpClient client = new() { LingerState = new LingerOption(true, 0) };
            await client.ConnectAsync(server.Address.Host, server.Address.Port);
            await client.GetStream().WriteAsync((byte[])[.. head, .. body]);
            byte[] answer = new byte[64];
            StringAssert.StartsWith(Encoding.UTF8.GetString(answer, 0, await client.GetStream().ReadAsync(answer)), "HTTP/1.1 200");
        }
        // Has its turn when the place is free.
        await server.Chat().CompleteChatAsync([new UserChatMessage("Hi")], new ChatCompletionOptions { MaxOutputTokenCount = 1 });
        string metrics = await server.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        string grown = metrics.Split('\n').Single(line => line.StartsWith("aligner_batch_rows_sum", StringComparison.Ordinal));
        Assert.IsLessThan(Clients * Answers * Tokens * 3 / 4, double.Parse(grown.Split(' ')[1], CultureInfo.InvariantCulture));
    }
}
