using System.ClientModel;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using AlignerOnnx.EndToEnd.Otlp;
using AlignerOnnx.Serving.Tests;
using Google.Protobuf.Collections;
using OpenAI;
using OpenAI.Chat;

namespace AlignerOnnx.EndToEnd.Telemetry;

/// <summary>
/// What <c>aligner serve</c> sends to a collector, under the names of OpenTelemetry's conventions for generative AI
/// (github.com/open-telemetry/semantic-conventions-genai).
/// </summary>
[TestClass]
public sealed class TelemetryTests
{
    private const string Question = "Tell me where a pig lives.";

    private readonly string _folder = Material.NewTemporaryFolder();

    public required TestContext TestContext { get; set; }

    [TestInitialize]
    public void MakeAdapter() => SampleAdapter.Write(Path.Combine(_folder, "adapters", "tone"), Material.Pocket());

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow(OtlpReceiver.Grpc)]
    [DataRow(OtlpReceiver.Http)]
    public async Task Served_WithACollector_SendsTracesAndMetricsWithoutText(string protocol)
    {
        await using OtlpReceiver receiver = await OtlpReceiver.StartAsync(protocol);
        // gRPC is what is spoken where nothing is said.
        string named = protocol == OtlpReceiver.Grpc ? "" : protocol;
        string[] answers = await ServeAsync(("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.Address), ("OTEL_EXPORTER_OTLP_PROTOCOL", named), ("OTEL_SERVICE_NAME", "the-service"));
        foreach (string line in Lines(receiver))
        {
            TestContext.WriteLine(line);
        }
        CheckSpans([.. receiver.Spans]);
        CheckMetrics([.. receiver.Metrics]);
        foreach (string text in answers.Append(Question))
        {
            Assert.IsGreaterThan(8, text.Length, text);
            Assert.IsFalse(receiver.Messages.Any(message => message.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0), text);
        }
    }

    [TestMethod]
    [DataRow("METRICS", OtlpReceiver.Grpc, "")]
    [DataRow("METRICS", OtlpReceiver.Http, "/v1/metrics")]
    [DataRow("TRACES", OtlpReceiver.Grpc, "")]
    [DataRow("TRACES", OtlpReceiver.Http, "/v1/traces")]
    public async Task Served_WithACollectorOfOneSignal_SendsThatAlone(string signal, string protocol, string path)
    {
        await using OtlpReceiver receiver = await OtlpReceiver.StartAsync(protocol);
        await ServeAsync(($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", receiver.Address + path), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol));
        Assert.AreEqual((signal == "METRICS", signal == "TRACES"), (receiver.Metrics.Any(), receiver.Spans.Any()));
    }

    [TestMethod]
    public async Task Served_WithACollectorThatIsGone_AnswersAsWithoutOne()
    {
        using TcpListener free = new(System.Net.IPAddress.Loopback, 0);
        free.Start();
        string gone = $"http://{free.LocalEndpoint}";
        free.Stop();
        CollectionAssert.AreEqual(await ServeAsync(), await ServeAsync(("OTEL_EXPORTER_OTLP_ENDPOINT", gone), ("OTEL_METRIC_EXPORT_INTERVAL", "50"), ("OTEL_BSP_SCHEDULE_DELAY", "50")));
    }

    /// <summary>Asks a server of its own, whole, streamed, in a form that is none and of a model that is not there; and stops it in its ordinary way.</summary>
    private async Task<string[]> ServeAsync(params IReadOnlyList<(string Name, string Value)> environment)
    {
        (Process server, Uri address) = await AlignerProcess.ServeAsync(
            ["serve", Material.Pocket(), "--adapters", Path.Combine(_folder, "adapters"), "--urls", "http://127.0.0.1:0", "--name", "pocket"], workingFolder: null, environment);
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        try
        {
            using HttpClient http = new();
            // As load balancers and Prometheus ask, day and night.
            Assert.IsNotEmpty(await http.GetStringAsync(new Uri(address, "/health"), limit.Token));
            Assert.IsNotEmpty(await http.GetStringAsync(new Uri(address, "/metrics"), limit.Token));
            ChatClient Client(string model) => new(model, new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(address, "/v1") });
            string whole = (await Client("tone").CompleteChatAsync([new UserChatMessage(Question)], new ChatCompletionOptions { MaxOutputTokenCount = 12 }, limit.Token)).Value.Content[0].Text;
            StringBuilder streamed = new();
            await foreach (StreamingChatCompletionUpdate update in Client("pocket").CompleteChatStreamingAsync([new UserChatMessage(Question)], cancellationToken: limit.Token))
            {
                streamed.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            }
            ChatCompletionOptions noForm = new() { ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("none", BinaryData.FromString("""{"type":"nonsense"}""")) };
            Assert.AreEqual(400, (await Assert.ThrowsExactlyAsync<ClientResultException>(() => Client("tone").CompleteChatAsync([new UserChatMessage(Question)], noForm, limit.Token))).Status);
            Assert.AreEqual(404, (await Assert.ThrowsExactlyAsync<ClientResultException>(() => Client("absent").CompleteChatAsync([new UserChatMessage(Question)], cancellationToken: limit.Token))).Status);
            await AlignerProcess.SignalAsync(server, "TERM");
            await server.WaitForExitAsync(limit.Token);
            Assert.AreEqual(0, server.ExitCode);
            return [whole, streamed.ToString()];
        }
        finally
        {
            await AlignerProcess.KillAsync(server);
        }
    }

    private static void CheckSpans(IReadOnlyList<ResourceSpans> sent)
    {
        foreach (ResourceSpans resource in sent)
        {
            Assert.AreEqual("the-service", Values(resource.Resource.Attributes)["service.name"]);
        }
        Span[] spans = [.. sent.SelectMany(resource => resource.ScopeSpans).SelectMany(scope => scope.Spans)];
        Span[] tones = [.. spans.Where(span => span.Name == "chat tone")];
        Assert.HasCount(2, tones);
        Check(tones[0], "tone", "tone@1", error: null);
        Check(tones[1], "tone", "tone@1", error: "invalid_form");
        Check(spans.Single(span => span.Name == "chat pocket"), "pocket", "base", error: null);
        Assert.IsFalse(spans.Any(span => span.Name.Contains("absent", StringComparison.Ordinal)));
        Assert.IsTrue(spans.Where(span => span.Kind == SpanKind.Server).All(span => span.Name.StartsWith("POST /v1/", StringComparison.Ordinal)), string.Join(", ", spans.Select(span => span.Name)));

        void Check(Span span, string model, string adapter, string? error)
        {
            Dictionary<string, object> values = Values(span.Attributes);
            Assert.AreEqual("chat", values["gen_ai.operation.name"]);
            Assert.AreEqual("aligneronnx", values["gen_ai.provider.name"]);
            Assert.AreEqual(model, values["gen_ai.request.model"]);
            Assert.AreEqual(model, values["gen_ai.response.model"]);
            Assert.AreEqual(adapter, values["aligner.adapter.id"]);
            Assert.AreEqual(error, values.GetValueOrDefault("error.type"));
            Assert.AreEqual(error is null ? StatusCode.Unset : StatusCode.Error, span.Status?.Code ?? StatusCode.Unset);
            if (error is null)
            {
                Assert.IsGreaterThan(5, (long)values["gen_ai.usage.input_tokens"]);
                Assert.IsInRange(2, 12, (long)values["gen_ai.usage.output_tokens"]);
            }
            // The model runs in the process of the server, within the request that the framework's span is of.
            Assert.AreEqual(SpanKind.Internal, span.Kind);
            Span request = spans.Single(other => other.SpanId == span.ParentSpanId);
            Assert.AreEqual(SpanKind.Server, request.Kind);
            Assert.AreEqual("POST /v1/chat/completions", request.Name);
            Assert.AreEqual(error is null ? 200L : 400L, Values(request.Attributes)["http.response.status_code"]);
            Assert.AreEqual(span.TraceId, request.TraceId);
        }
    }

    private static void CheckMetrics(IReadOnlyList<ResourceMetrics> sent)
    {
        Assert.AreEqual("the-service", Values(sent[^1].Resource.Attributes)["service.name"]);
        // Sums of all the time; the last word is the whole one.
        Metric[] metrics = [.. sent[^1].ScopeMetrics.SelectMany(scope => scope.Metrics)];
        Metric Find(string name) => metrics.Single(metric => metric.Name == name);

        Check("gen_ai.server.request.duration", ("tone", null), ("tone", "invalid_form"), ("pocket", null));
        Check("gen_ai.server.time_to_first_token", ("tone", null), ("pocket", null));
        Check("gen_ai.server.time_per_output_token", ("tone", null), ("pocket", null));
        CollectionAssert.AreEquivalent(
            new[] { "input", "output", "input", "output" },
            Find("gen_ai.client.token.usage").Histogram.DataPoints.Select(point => Values(point.Attributes)["gen_ai.token.type"]).ToArray());
        CollectionAssert.AreEquivalent(new object[] { 400L, 404L }, Find("aligner.server.errors").Sum.DataPoints.Select(point => Values(point.Attributes)["http.response.status_code"]).ToArray());
        foreach (string name in new[] { "aligner.batch.rows", "aligner.batch.step.duration" })
        {
            Assert.IsGreaterThan(0UL, Find(name).Histogram.DataPoints.Single().Count, name);
        }
        foreach (string name in new[] { "aligner.batch.waiting", "aligner.batch.cache", "aligner.server.active_requests" })
        {
            Assert.HasCount(1, Find(name).Gauge.DataPoints, name);
        }

        void Check(string name, params (string Model, string? Error)[] expected)
        {
            Metric metric = Find(name);
            Assert.AreEqual("s", metric.Unit);
            CollectionAssert.AreEquivalent(
                expected.Select(one => ((object)"chat", (object)"aligneronnx", (object)one.Model, (object)(one.Model == "pocket" ? "base" : one.Model), (object?)one.Error, 1UL)).ToArray(),
                metric.Histogram.DataPoints.Select(point =>
                {
                    Dictionary<string, object> values = Values(point.Attributes);
                    return (values["gen_ai.operation.name"], values["gen_ai.provider.name"], values["gen_ai.request.model"], values["aligner.adapter.id"], values.GetValueOrDefault("error.type"), point.Count);
                }).ToArray(),
                name);
        }
    }

    private static IEnumerable<string> Lines(OtlpReceiver receiver) =>
    [
        .. receiver.Spans.SelectMany(resource => resource.ScopeSpans).SelectMany(scope => scope.Spans).Select(span => $"{span.Kind} {span.Name} {span.Status?.Code}: {Described(span.Attributes)}"),
        .. receiver.Metrics.SelectMany(resource => resource.ScopeMetrics).SelectMany(scope => scope.Metrics)
            .SelectMany(metric => (IEnumerable<string>)
            [
                .. metric.Histogram?.DataPoints.Select(point => $"{metric.Name} ({metric.Unit}) {point.Count} of {point.Sum}: {Described(point.Attributes)}") ?? [],
                .. ((IEnumerable<Point>)[.. metric.Gauge?.DataPoints ?? [], .. metric.Sum?.DataPoints ?? []]).Select(point => $"{metric.Name} ({metric.Unit}): {Described(point.Attributes)}"),
            ]),
    ];

    private static string Described(RepeatedField<KeyValue> attributes) => string.Join(", ", Values(attributes).Select(pair => $"{pair.Key}={pair.Value}"));

    private static Dictionary<string, object> Values(RepeatedField<KeyValue> attributes) => attributes.ToDictionary(pair => pair.Key, pair => pair.Value.ValueCase switch
    {
        AnyValue.ValueOneofCase.IntValue => pair.Value.IntValue,
        AnyValue.ValueOneofCase.BoolValue => pair.Value.BoolValue,
        AnyValue.ValueOneofCase.DoubleValue => pair.Value.DoubleValue,
        _ => (object)pair.Value.StringValue,
    });
}
