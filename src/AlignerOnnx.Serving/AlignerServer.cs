using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Console;

namespace AlignerOnnx.Serving;

/// <summary>An OpenAI-compatible HTTP server of one base model and its adapters; <c>model</c> in a request chooses among them.</summary>
public static partial class AlignerServer
{
    /// <summary>Loads the model and the adapters, and makes the server ready to start (<c>RunAsync</c>, or <c>StartAsync</c> and <c>StopAsync</c>).</summary>
    /// <param name="options">What to serve, where and within which limits.</param>
    /// <returns>The application; it owns the model, so dispose it. Logs go to standard error.</returns>
    /// <exception cref="ArgumentException">An option is outside its range, or an address needs a key.</exception>
    /// <exception cref="ModelRefusedException">The model cannot be loaded.</exception>
    /// <exception cref="AdapterRefusedException">An adapter cannot be loaded or does not fit the model.</exception>
    /// <exception cref="IOException">The state folder is in use or cannot be read.</exception>
    public static WebApplication Build(ServingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        ServerParts parts = new(options);
        try
        {
            WebApplication app = Configure(options, parts).Build();
            app.Services.GetService<WatchedFolder>()?.TakeAll();
            Routes.Map(app, options, parts);
            LogEngine(app.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(AlignerServer)), parts.Chat);
            return app;
        }
        catch
        {
            parts.Dispose();
            throw;
        }
    }

    /// <summary>The empty builder reads no files and no environment: nothing but the options decides where the server listens.</summary>
    private static WebApplicationBuilder Configure(ServingOptions options, ServerParts parts)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseKestrelCore();
        builder.WebHost.UseUrls([.. options.Urls]);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
        });
        if (options.JsonLogs)
        {
            builder.Logging.AddJsonConsole();
        }
        else
        {
            builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        }
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        // Why the host did not start is thrown to who starts it, without a page of frames in the log.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        builder.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainTimeout);
        builder.Services.AddRoutingCore();
        OpenTelemetrySetup.Add(builder);
        // Made by a factory, since the container disposes only what it made itself.
        builder.Services.AddSingleton(_ => parts);
        builder.Services.AddSingleton(provider => new JobRunner(parts, options, provider.GetRequiredService<ILogger<JobRunner>>()));
        builder.Services.AddHostedService(provider => provider.GetRequiredService<JobRunner>());
        builder.Services.AddHostedService(provider => new Draining(provider.GetRequiredService<IHostApplicationLifetime>(), parts.Admission));
        AddWatchedFolder(builder.Services, options, parts);
        return builder;
    }

    private static void AddWatchedFolder(IServiceCollection services, ServingOptions options, ServerParts parts)
    {
        if (options.AdapterFolder is { } folder)
        {
            services.AddSingleton(provider => new WatchedFolder(parts.Adapters, folder, provider.GetRequiredService<ILogger<WatchedFolder>>()));
            services.AddHostedService(provider => provider.GetRequiredService<WatchedFolder>());
        }
    }

    private static void LogEngine(ILogger logger, ChatModel chat)
    {
        if (chat.BatchingObstacle is { } obstacle)
        {
            LogGenerators(logger, obstacle);
        }
        else
        {
            LogBatches(logger, chat.Batches);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Answers are computed together, in batches on threads of their own: {Batches}")]
    private static partial void LogBatches(ILogger logger, int batches);

    [LoggerMessage(Level = LogLevel.Information, Message = "Each answer is computed by itself, not in a batch: {Obstacle}")]
    private static partial void LogGenerators(ILogger logger, string obstacle);
}
