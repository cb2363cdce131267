using System.Collections;
using AlignerOnnx.GenAI;
using Microsoft.Extensions.Configuration;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace AlignerOnnx.Serving;

/// <summary>Collects metrics for scraping, and sends metrics and traces to a collector where the environment names one.</summary>
internal static class OpenTelemetrySetup
{
    internal static void Add(WebApplicationBuilder builder)
    {
        // The exporter looks for the endpoint and the protocol in the host's configuration, which reads no environment.
        builder.Configuration.AddInMemoryCollection(Variables());
        builder.Services.AddSingleton<PrometheusExporter>();
        OpenTelemetryBuilder telemetry = builder.Services.AddOpenTelemetry()
            // What the environment says of the service stands last, and so wins.
            .ConfigureResource(resource => resource.AddService("aligneronnx", serviceVersion: ServerTelemetry.Version).AddEnvironmentVariableDetector());
        telemetry.WithMetrics(metrics =>
        {
            metrics.AddMeter(ServerTelemetry.Name, ChatModel.MeterName, "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime");
            metrics.AddReader(provider => new BaseExportingMetricReader(provider.GetRequiredService<PrometheusExporter>()));
            if (IsSent(builder, "METRICS", out Uri? own))
            {
                metrics.AddOtlpExporter(exporter => Direct(exporter, own));
            }
        });
        if (IsSent(builder, "TRACES", out Uri? endpoint))
        {
            telemetry.WithTracing(traces => traces.AddSource(ServerTelemetry.Name)
                .AddAspNetCoreInstrumentation(requests => requests.Filter = context => context.Request.Path.StartsWithSegments("/v1", StringComparison.Ordinal))
                .AddOtlpExporter(exporter => Direct(exporter, endpoint)));
        }
    }

    /// <summary>Whether the environment names a collector for a signal.</summary>
    /// <param name="builder">The server.</param>
    /// <param name="signal">The signal.</param>
    /// <param name="own">The address for this signal alone; null where it goes to that of all.</param>
    private static bool IsSent(WebApplicationBuilder builder, string signal, out Uri? own) =>
        Uri.TryCreate(builder.Configuration[$"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"], UriKind.Absolute, out own) || !string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);

    private static void Direct(OtlpExporterOptions exporter, Uri? own)
    {
        // An address that is set is taken as it stands, as the specification has it for those of one signal; to that of all HTTP's paths are added.
        if (own is not null)
        {
            exporter.Endpoint = own;
        }
    }

    private static IEnumerable<KeyValuePair<string, string?>> Variables() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value))
        .Where(variable => variable.Key.StartsWith("OTEL_", StringComparison.Ordinal));
}
