using Microsoft.AspNetCore.Http.Features;

namespace AlignerOnnx.Serving;

/// <summary>Which path goes to which endpoint.</summary>
internal static class Routes
{
    internal static void Map(WebApplication app, ServingOptions options, ServerParts parts)
    {
        // Asked for once, so that the container owns and disposes it.
        _ = app.Services.GetRequiredService<ServerParts>();
        ILoggerFactory loggers = app.Services.GetRequiredService<ILoggerFactory>();
        AccessControl access = new(options.ApiKey);
        app.Use(next => context => ErrorHandling.Run(context, next, loggers.CreateLogger("AlignerOnnx.Serving")));
        app.UseRouting();
        app.Use(next => context =>
        {
            // Health checks of load balancers carry no key.
            if (context.Request.Path != "/health")
            {
                access.Require(context.Request);
            }
            return next(context);
        });
        app.MapGet("/health", (RequestDelegate)(context => Json.WriteAsync(context, new Health("ok"), ApiJson.Default.Health)));
        GenerationRunner runner = new(parts, options, loggers.CreateLogger<GenerationRunner>());
        MapOpenAI(app, new ModelsEndpoint(parts), new ChatEndpoint(parts, options, runner), new CompletionsEndpoint(parts, options, runner));
        MapAdapters(app, options, new AdaptersEndpoint(parts.Adapters), new LoraEndpoint(parts.Adapters, options.AdapterFolder));
        MapFiles(app, options, new FilesEndpoint(parts.Files, parts.Adapters));
        MapJobs(app, new JobsEndpoint(parts, options, app.Services.GetRequiredService<JobRunner>()));
        app.MapFallback((RequestDelegate)(context => throw new ApiException(StatusCodes.Status404NotFound, $"There is no {context.Request.Method} {context.Request.Path} here.", code: "not_found")));
    }

    private static void MapOpenAI(WebApplication app, ModelsEndpoint models, ChatEndpoint chat, CompletionsEndpoint completions)
    {
        app.MapGet("/v1/models", (RequestDelegate)models.List);
        app.MapGet("/v1/models/{**id}", (RequestDelegate)models.Show);
        app.MapDelete("/v1/models/{**id}", (RequestDelegate)models.Delete);
        app.MapPost("/v1/chat/completions", (RequestDelegate)chat.Handle);
        app.MapPost("/v1/completions", (RequestDelegate)completions.Handle);
    }

    private static void MapAdapters(WebApplication app, ServingOptions options, AdaptersEndpoint adapters, LoraEndpoint lora)
    {
        app.MapGet("/v1/adapters", (RequestDelegate)adapters.List);
        app.MapPost("/v1/adapters", Upload(options, adapters.Publish));
        RouteGroupBuilder one = app.MapGroup("/v1/adapters/{name}");
        one.MapGet("", (RequestDelegate)adapters.Show);
        one.MapDelete("", (RequestDelegate)adapters.Delete);
        one.MapPost("/rollback", (RequestDelegate)adapters.RollBack);
        one.MapPost("/load", (RequestDelegate)adapters.Load);
        one.MapPost("/unload", (RequestDelegate)adapters.Unload);
        one.MapPut("/aliases/{alias}", (RequestDelegate)adapters.SetAlias);
        one.MapDelete("/aliases/{alias}", (RequestDelegate)adapters.RemoveAlias);
        one.MapGet("/versions", (RequestDelegate)adapters.Versions);
        one.MapGet("/versions/{version}", (RequestDelegate)adapters.ShowVersion);
        one.MapDelete("/versions/{version}", (RequestDelegate)adapters.DeleteVersion);
        one.MapGet("/versions/{version}/gates", (RequestDelegate)adapters.Gates);
        one.MapGet("/versions/{version}/files/{file}", (RequestDelegate)adapters.File);
        app.MapPost("/v1/load_lora_adapter", (RequestDelegate)lora.Load);
        app.MapPost("/v1/unload_lora_adapter", (RequestDelegate)lora.Unload);
    }

    private static void MapFiles(WebApplication app, ServingOptions options, FilesEndpoint files)
    {
        app.MapGet("/v1/files", (RequestDelegate)files.List);
        app.MapPost("/v1/files", Upload(options, files.Upload));
        app.MapGet("/v1/files/{id}", (RequestDelegate)files.Show);
        app.MapDelete("/v1/files/{id}", (RequestDelegate)files.Delete);
        app.MapGet("/v1/files/{id}/content", (RequestDelegate)files.Content);
    }

    private static void MapJobs(WebApplication app, JobsEndpoint jobs)
    {
        app.MapGet("/v1/fine_tuning/jobs", (RequestDelegate)jobs.List);
        app.MapPost("/v1/fine_tuning/jobs", (RequestDelegate)jobs.Create);
        RouteGroupBuilder one = app.MapGroup("/v1/fine_tuning/jobs/{id}");
        one.MapGet("", (RequestDelegate)jobs.Show);
        one.MapPost("/cancel", (RequestDelegate)jobs.Cancel);
        one.MapPost("/pause", (RequestDelegate)jobs.Pause);
        one.MapPost("/resume", (RequestDelegate)jobs.Resume);
        one.MapGet("/events", (RequestDelegate)jobs.Events);
        one.MapGet("/checkpoints", (RequestDelegate)jobs.Checkpoints);
    }

    /// <summary>A route whose bodies may be as large as an upload.</summary>
    private static RequestDelegate Upload(ServingOptions options, RequestDelegate handle) => context =>
    {
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = options.MaxUploadBytes;
        return handle(context);
    };
}
