using System.Collections;
using AlignerOnnx.GenAI;
using Microsoft.Extensions.Configuration;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace AlignerOnnx.Serving;

/// <summary>Collects metrics for scraping, and sends metrics and traces to a collector where the environment names one.</summary>
internal static class OpenTelemetrySetup
{
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    internal static void Add(WebApplicationBuilder builder)
    {
        // The exporter looks for the endpoint and the protocol in the host's configuration, which reads no environment.
        builder.Configuration.AddInMemoryCollection(Variables());
        builder.Services.AddSingleton<PrometheusExporter>();
        bool send = !string.IsNullOrEmpty(builder.Configuration[EndpointVariable]);
        OpenTelemetryBuilder telemetry = builder.Services.AddOpenTelemetry()
            // What the environment says of the service stands last, and so wins.
            .ConfigureResource(resource => resource.AddService("aligneronnx", serviceVersion: ServerTelemetry.Version).AddEnvironmentVariableDetector());
        telemetry.WithMetrics(metrics =>
        {
            metrics.AddMeter(ServerTelemetry.Name, ChatModel.MeterName, "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime");
            metrics.AddReader(provider => new BaseExportingMetricReader(provider.GetRequiredService<PrometheusExporter>()));
            if (send)
            {
                metrics.AddOtlpExporter();
            }
        });
        if (send)
        {
            telemetry.WithTracing(traces => traces.AddSource(ServerTelemetry.Name).AddAspNetCoreInstrumentation().AddOtlpExporter());
        }
    }

    private static IEnumerable<KeyValuePair<string, string?>> Variables() => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value))
        .Where(variable => variable.Key.StartsWith("OTEL_", StringComparison.Ordinal));
}
