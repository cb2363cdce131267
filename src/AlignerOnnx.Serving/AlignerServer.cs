using System.Diagnostics.CodeAnalysis;
using AlignerOnnx.Graph;
using Microsoft.Extensions.Logging.Console;

namespace AlignerOnnx.Serving;

/// <summary>An OpenAI-compatible HTTP server of one base model and its adapters; <c>model</c> in a request chooses among them.</summary>
public static class AlignerServer
{
    /// <summary>Loads the model and the adapters, and makes the server ready to start (<c>RunAsync</c>, or <c>StartAsync</c> and <c>StopAsync</c>).</summary>
    /// <param name="options">What to serve, where and within which limits.</param>
    /// <returns>The application; it owns the model, so dispose it. Logs go to standard error.</returns>
    /// <exception cref="ArgumentException">An option is outside its range, or an address needs a key.</exception>
    /// <exception cref="ModelRefusedException">The model cannot be loaded.</exception>
    /// <exception cref="AdapterRefusedException">An adapter cannot be loaded or does not fit the model.</exception>
    public static WebApplication Build(ServingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        ModelRegistry registry = new(options);
        try
        {
            WebApplication app = Configure(options, registry).Build();
            Map(app, options, registry);
            return app;
        }
        catch
        {
            registry.Dispose();
            throw;
        }
    }

    /// <summary>The empty builder reads no files and no environment: nothing but the options decides where the server listens.</summary>
    private static WebApplicationBuilder Configure(ServingOptions options, ModelRegistry registry)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseUrls([.. options.Urls]);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
        });
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddRoutingCore();
        // Made by factories, since the container disposes what it made itself.
        builder.Services.AddSingleton(_ => registry);
        builder.Services.AddSingleton(_ => new Admission(options));
        return builder;
    }

    [SuppressMessage("Trimming", "IL2026", Justification = "The handlers are request delegates; nothing is bound by reflection.")]
    private static void Map(WebApplication app, ServingOptions options, ModelRegistry registry)
    {
        ILogger errors = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("AlignerOnnx.Serving");
        AccessControl access = new(options.ApiKey);
        ModelsEndpoint models = new(app.Services.GetRequiredService<ModelRegistry>());
        ChatEndpoint chat = new(registry, app.Services.GetRequiredService<Admission>(), options, app.Services.GetRequiredService<ILogger<ChatEndpoint>>());
        app.Use(next => context => ErrorHandling.Run(context, next, errors));
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
        app.MapGet("/health", (RequestDelegate)(context => context.Response.WriteAsJsonAsync(new Health("ok"), ApiJson.Default.Health)));
        app.MapGet("/v1/models", (RequestDelegate)models.List);
        app.MapGet("/v1/models/{**id}", (RequestDelegate)models.Show);
        app.MapPost("/v1/chat/completions", (RequestDelegate)chat.Handle);
        app.MapFallback((RequestDelegate)(context => throw new ApiException(StatusCodes.Status404NotFound, $"There is no {context.Request.Method} {context.Request.Path} here.", code: "not_found")));
    }
}
