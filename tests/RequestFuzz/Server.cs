using AlignerOnnx.Serving;
using AlignerOnnx.Serving.Tests;
using AlignerOnnx.TestMaterial;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace AlignerOnnx.RequestFuzz;

/// <summary>The real server with its real model, without sockets. Its one place for generations is taken, so that requests go through everything up to the first token.</summary>
internal sealed class Server : IDisposable
{
    private readonly WebApplication _app;
    private readonly RequestDelegate _pipeline;
    private readonly string _folder;

    private Server(WebApplication app, string folder)
    {
        _app = app;
        _folder = folder;
        app.UseEndpoints(_ => { });
        _pipeline = ((IApplicationBuilder)app).Build();
    }

    /// <summary>The folder of a sound adapter.</summary>
    internal string Sample => Path.Combine(_folder, "sample");

    internal static async Task<Server> StartAsync()
    {
        string folder = Material.NewTemporaryFolder();
        SampleAdapter.Write(Path.Combine(folder, "sample"), Material.Pocket());
        Environment.SetEnvironmentVariable(ModelCache.FolderVariable, Path.Combine(folder, "cache"));
        WebApplication app = AlignerServer.Build(new ServingOptions
        {
            ModelFolder = ModelCache.Patched(Material.Pocket()),
            BaseModelName = "pocket",
            MaxConcurrency = 1,
            QueueLength = 0,
            RequestTimeout = TimeSpan.FromDays(1),
            MaxStoredBytes = 4096,
            MaxResidentAdapters = 16,
            TrainingProgram = ["false"],
        });
        Server server = new(app, folder);
        await server.TakeThePlaceAsync();
        return server;
    }

    /// <summary>Sends one request.</summary>
    /// <returns>The status of the answer.</returns>
    internal async Task<int> SendAsync(string method, string path, string contentType, byte[] body)
    {
        DefaultHttpContext context = Request(method, path, contentType, body);
        context.Response.Body = Stream.Null;
        await _pipeline(context);
        return context.Response.StatusCode;
    }

    public void Dispose()
    {
        // Not disposed in order: the generation that holds the place never ends.
        Directory.Delete(_folder, recursive: true);
    }

    private async Task TakeThePlaceAsync()
    {
        Blocked blocked = new();
        DefaultHttpContext context = Request("POST", "/v1/chat/completions", "application/json", """{"model":"pocket","stream":true,"messages":[{"role":"user","content":"Hi"}]}"""u8.ToArray());
        context.Response.Body = blocked;
        _ = _pipeline(context);
        await blocked.Reached;
    }

    private DefaultHttpContext Request(string method, string path, string contentType, byte[] body)
    {
        DefaultHttpContext context = new() { RequestServices = _app.Services };
        context.Features.Set<IHttpMaxRequestBodySizeFeature>(new BodySize());
        context.Request.Method = method;
        context.Request.Path = path;
        context.Request.Host = new HostString("localhost");
        context.Request.ContentType = contentType;
        context.Request.ContentLength = body.Length;
        context.Request.Body = new MemoryStream(body);
        return context;
    }

    private sealed class BodySize : IHttpMaxRequestBodySizeFeature
    {
        public bool IsReadOnly => false;

        public long? MaxRequestBodySize { get; set; }
    }

    /// <summary>A response that never takes its first byte.</summary>
    private sealed class Blocked : Stream
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task Reached => _reached.Task;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            _reached.TrySetResult();
            return new ValueTask(new TaskCompletionSource().Task);
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
