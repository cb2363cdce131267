using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;
using Scalar.AspNetCore;

namespace AlignerOnnx.Serving;

/// <summary>Which path goes to which endpoint, and which role each asks for.</summary>
internal static class Routes
{
    internal static void Map(WebApplication app, ServingOptions options, ServerParts parts)
    {
        // Asked for once, so that the container owns and disposes it.
        _ = app.Services.GetRequiredService<ServerParts>();
        ILoggerFactory loggers = app.Services.GetRequiredService<ILoggerFactory>();
        AccessControl access = new(options.AllKeys);
        app.Use(next => context => ErrorHandling.Run(context, next, loggers.CreateLogger("AlignerOnnx.Serving"), parts.Telemetry));
        app.UseRouting();
        app.Use(next => context =>
        {
            access.Require(context);
            return next(context);
        });
        GenerationRunner runner = new(parts, options, loggers.CreateLogger<GenerationRunner>());
        MapOperations(app, new HealthEndpoint(app.Lifetime, parts), app.Services.GetRequiredService<PrometheusExporter>());
        MapDocuments(app);
        MapModels(app, new ModelsEndpoint(parts), new ChatEndpoint(parts, options, runner), new CompletionsEndpoint(parts, options, runner));
        MapAdapters(app, options, new AdaptersEndpoint(parts.Adapters), new LoraEndpoint(parts.Adapters, options.AdapterFolder));
        MapFiles(app, options, new FilesEndpoint(parts.Files, parts.Adapters));
        MapJobs(app, new JobsEndpoint(parts, options, app.Services.GetRequiredService<JobRunner>()));
        app.MapFallback("{*path}", (RequestDelegate)(context => throw new ApiException(StatusCodes.Status404NotFound, $"There is no {context.Request.Method} {context.Request.Path} here.", code: "not_found")))
            .For(KeyRole.Use);
    }

    private static void MapOperations(WebApplication app, HealthEndpoint health, PrometheusExporter metrics)
    {
        // Some load balancers ask by HEAD; the web server sends the same head and no body.
        string[] methods = [HttpMethods.Get, HttpMethods.Head];
        app.MapMethods("/health", methods, (RequestDelegate)HealthEndpoint.Live).ForAnyone();
        app.MapMethods("/health/live", methods, (RequestDelegate)HealthEndpoint.Live).ForAnyone();
        app.MapMethods("/health/ready", methods, (RequestDelegate)health.Ready).ForAnyone();
        app.MapGet("/metrics", (RequestDelegate)(context =>
        {
            context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            return context.Response.WriteAsync(metrics.Scrape(), context.RequestAborted);
        })).For(KeyRole.Use);
    }

    /// <summary>The page, the description of the API and its browsable form.</summary>
    private static void MapDocuments(WebApplication app)
    {
        foreach (string file in PageFiles.Names)
        {
            app.MapGet(PageFiles.PathOf(file), (RequestDelegate)(context => PageFiles.WriteAsync(context, file))).For(KeyRole.Use);
        }
        app.MapScalarApiReference("/reference", scalar =>
        {
            scalar.OpenApiRoutePattern = "/openapi.json";
            scalar.Title = "AlignerOnnx";
            scalar.DefaultFonts = false;
            scalar.Telemetry = false;
            // What would lead to its makers' services; nothing here leaves the machine.
            scalar.DisableAgent().DisableMcp().HideDeveloperTools().HideClientButton = true;
            // The forms of requests stand with their routes.
            scalar.HideModels = true;
        }).For(KeyRole.Use);
    }

    private static void MapModels(WebApplication app, ModelsEndpoint models, ChatEndpoint chat, CompletionsEndpoint completions)
    {
        app.MapGet("/v1/models", (RequestDelegate)models.List).For(KeyRole.Use);
        app.MapGet("/v1/models/{**id}", (RequestDelegate)models.Show).For(KeyRole.Use);
        app.MapDelete("/v1/models/{**id}", (RequestDelegate)models.Delete).For(KeyRole.Admin);
        app.MapPost("/v1/chat/completions", (RequestDelegate)chat.Handle).For(KeyRole.Use);
        app.MapPost("/v1/completions", (RequestDelegate)completions.Handle).For(KeyRole.Use);
    }

    private static void MapAdapters(WebApplication app, ServingOptions options, AdaptersEndpoint adapters, LoraEndpoint lora)
    {
        app.MapGet("/v1/adapters", (RequestDelegate)adapters.List).For(KeyRole.Use);
        app.MapPost("/v1/adapters", Upload(options, adapters.Publish)).For(KeyRole.Admin);
        RouteGroupBuilder one = app.MapGroup("/v1/adapters/{name}");
        one.MapGet("", (RequestDelegate)adapters.Show).For(KeyRole.Use);
        one.MapDelete("", (RequestDelegate)adapters.Delete).For(KeyRole.Admin);
        one.MapPost("/rollback", (RequestDelegate)adapters.RollBack).For(KeyRole.Admin);
        one.MapPost("/load", (RequestDelegate)adapters.Load).For(KeyRole.Admin);
        one.MapPost("/unload", (RequestDelegate)adapters.Unload).For(KeyRole.Admin);
        one.MapPut("/aliases/{alias}", (RequestDelegate)adapters.SetAlias).For(KeyRole.Admin);
        one.MapDelete("/aliases/{alias}", (RequestDelegate)adapters.RemoveAlias).For(KeyRole.Admin);
        one.MapGet("/versions", (RequestDelegate)adapters.Versions).For(KeyRole.Use);
        one.MapGet("/versions/{version}", (RequestDelegate)adapters.ShowVersion).For(KeyRole.Use);
        one.MapDelete("/versions/{version}", (RequestDelegate)adapters.DeleteVersion).For(KeyRole.Admin);
        one.MapGet("/versions/{version}/gates", (RequestDelegate)adapters.Gates).For(KeyRole.Use);
        one.MapGet("/versions/{version}/files/{file}", (RequestDelegate)adapters.File).For(KeyRole.Train);
        app.MapPost("/v1/load_lora_adapter", (RequestDelegate)lora.Load).For(KeyRole.Admin);
        app.MapPost("/v1/unload_lora_adapter", (RequestDelegate)lora.Unload).For(KeyRole.Admin);
    }

    private static void MapFiles(WebApplication app, ServingOptions options, FilesEndpoint files)
    {
        app.MapGet("/v1/files", (RequestDelegate)files.List).For(KeyRole.Train);
        app.MapPost("/v1/files", Upload(options, files.Upload)).For(KeyRole.Train);
        app.MapGet("/v1/files/{id}", (RequestDelegate)files.Show).For(KeyRole.Train);
        app.MapDelete("/v1/files/{id}", (RequestDelegate)files.Delete).For(KeyRole.Train);
        app.MapGet("/v1/files/{id}/content", (RequestDelegate)files.Content).For(KeyRole.Train);
    }

    private static void MapJobs(WebApplication app, JobsEndpoint jobs)
    {
        app.MapGet("/v1/fine_tuning/jobs", (RequestDelegate)jobs.List).For(KeyRole.Train);
        app.MapPost("/v1/fine_tuning/jobs", (RequestDelegate)jobs.Create).For(KeyRole.Train);
        RouteGroupBuilder one = app.MapGroup("/v1/fine_tuning/jobs/{id}");
        one.MapGet("", (RequestDelegate)jobs.Show).For(KeyRole.Train);
        one.MapPost("/cancel", (RequestDelegate)jobs.Cancel).For(KeyRole.Train);
        one.MapPost("/pause", (RequestDelegate)jobs.Pause).For(KeyRole.Train);
        one.MapPost("/resume", (RequestDelegate)jobs.Resume).For(KeyRole.Train);
        one.MapGet("/events", (RequestDelegate)jobs.Events).For(KeyRole.Train);
        one.MapGet("/checkpoints", (RequestDelegate)jobs.Checkpoints).For(KeyRole.Train);
    }

    /// <summary>A route whose bodies may be as large as an upload.</summary>
    private static RequestDelegate Upload(ServingOptions options, RequestDelegate handle) => context =>
    {
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = options.MaxUploadBytes;
        return handle(context);
    };
}
