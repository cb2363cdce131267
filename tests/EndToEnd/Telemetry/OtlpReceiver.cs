using System.Buffers.Binary;
using System.Collections.Concurrent;
using AlignerOnnx.EndToEnd.Otlp;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace AlignerOnnx.EndToEnd.Telemetry;

/// <summary>A collector of its own: takes what a program sends by OpenTelemetry's protocol, and keeps it.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    internal const string Grpc = "grpc";
    internal const string Http = "http/protobuf";

    // Whether the message is compressed, and its length.
    private const int GrpcPrefix = 5;

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<byte[]> _traces = [];
    private readonly ConcurrentQueue<byte[]> _metrics = [];

    private OtlpReceiver(string protocol)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        // Without TLS nothing negotiates the version of HTTP; gRPC knows only the second.
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = protocol == Grpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        builder.Services.AddRoutingCore();
        _app = builder.Build();
        if (protocol == Grpc)
        {
            _app.MapPost("/opentelemetry.proto.collector.trace.v1.TraceService/Export", (HttpContext context) => TakeCallAsync(context, _traces));
            _app.MapPost("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", (HttpContext context) => TakeCallAsync(context, _metrics));
        }
        else
        {
            _app.MapPost("/v1/traces", (HttpContext context) => TakeAsync(context, _traces));
            _app.MapPost("/v1/metrics", (HttpContext context) => TakeAsync(context, _metrics));
        }
    }

    internal string Address => _app.Urls.Single();

    /// <summary>Every message as it came.</summary>
    internal IEnumerable<byte[]> Messages => [.. _traces, .. _metrics];

    internal IEnumerable<ResourceSpans> Spans => _traces.SelectMany(message => TraceRequest.Parser.ParseFrom(message).ResourceSpans);

    internal IEnumerable<ResourceMetrics> Metrics => _metrics.SelectMany(message => MetricsRequest.Parser.ParseFrom(message).ResourceMetrics);

    internal static async Task<OtlpReceiver> StartAsync(string protocol)
    {
        OtlpReceiver receiver = new(protocol);
        await receiver._app.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static async Task TakeAsync(HttpContext context, ConcurrentQueue<byte[]> messages)
    {
        messages.Enqueue(await ReadAsync(context.Request));
        context.Response.ContentType = "application/x-protobuf";
    }

    private static async Task TakeCallAsync(HttpContext context, ConcurrentQueue<byte[]> messages)
    {
        byte[] call = await ReadAsync(context.Request);
        Assert.AreEqual(0, call[0], "a compressed message");
        Assert.AreEqual(call.Length - GrpcPrefix, BinaryPrimitives.ReadInt32BigEndian(call.AsSpan(1)));
        messages.Enqueue(call[GrpcPrefix..]);
        context.Response.ContentType = "application/grpc";
        // The answer says nothing more than that all was taken.
        await context.Response.Body.WriteAsync(new byte[GrpcPrefix]);
        context.Response.AppendTrailer("grpc-status", "0");
    }

    private static async Task<byte[]> ReadAsync(HttpRequest request)
    {
        using MemoryStream body = new();
        await request.Body.CopyToAsync(body);
        return body.ToArray();
    }
}
