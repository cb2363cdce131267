using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using AlignerOnnx.TestMaterial;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Files;
using OpenAI.FineTuning;
using OpenAI.Models;

namespace AlignerOnnx.Serving.Tests;

/// <summary>A server on a free loopback port, and clients for it.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private RunningServer(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Urls.Single());
        Http = new HttpClient { BaseAddress = Address };
    }

    internal Uri Address { get; }

    internal HttpClient Http { get; }

    internal static ServingOptions Pocket { get; } = new()
    {
        ModelFolder = Material.Pocket(),
        BaseModelName = "pocket",
        Urls = ["http://127.0.0.1:0"],
        MaxTokens = 256,
        TrainingProgram = ["dotnet", "exec", Path.Combine(AppContext.BaseDirectory, "aligner.dll")],
    };

    internal static async Task<RunningServer> StartAsync(ServingOptions? options = null)
    {
        WebApplication app = AlignerServer.Build(options ?? Pocket);
        await app.StartAsync();
        return new RunningServer(app);
    }

    internal ChatClient Chat(string model = "pocket", string key = "any") => new(model, new ApiKeyCredential(key), Options());

    internal OpenAIFileClient Files(string key = "any") => new(new ApiKeyCredential(key), Options());

#pragma warning disable OPENAI001 // The client marks its fine-tuning part as experimental.
    internal FineTuningClient FineTuning(string key = "any") =>
        new(new ApiKeyCredential(key), new FineTuningClientOptions { Endpoint = new Uri(Address, "/v1"), RetryPolicy = new ClientRetryPolicy(0) });
#pragma warning restore OPENAI001

    internal OpenAIModelClient Models(string key = "any") => new(new ApiKeyCredential(key), Options());

    internal Task<HttpResponseMessage> PostAsync(string json, string contentType = "application/json", string path = "/v1/chat/completions") =>
        Http.PostAsync(new Uri(path, UriKind.Relative), new StringContent(json, Encoding.UTF8, contentType));

    internal Task StopAsync() => _app.StopAsync();

    /// <summary>Every mapped route as METHOD PATH.</summary>
    internal IEnumerable<string> Routes() =>
        from endpoint in ((IEndpointRouteBuilder)_app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
        from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["ANY"]
        select $"{method} {endpoint.RoutePattern.RawText}";

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    // Without retries: the tests count on the first answer.
    private OpenAIClientOptions Options() => new() { Endpoint = new Uri(Address, "/v1"), RetryPolicy = new ClientRetryPolicy(0) };
}
