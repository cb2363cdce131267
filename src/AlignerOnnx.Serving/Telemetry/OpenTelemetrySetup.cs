using AlignerOnnx.GenAI;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace AlignerOnnx.Serving;

/// <summary>Collects metrics for scraping, and sends metrics and traces to a collector where the environment names one.</summary>
internal static class OpenTelemetrySetup
{
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    internal static void Add(IServiceCollection services)
    {
        services.AddSingleton<PrometheusExporter>();
        bool send = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EndpointVariable));
        OpenTelemetryBuilder telemetry = services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("aligneronnx"));
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
            telemetry.WithTracing(traces => traces.AddSource(ServerTelemetry.Name, "Microsoft.AspNetCore").AddOtlpExporter());
        }
    }
}
