using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AlignerOnnx.Serving;

/// <summary>
/// What the server measures of its work, under the names of OpenTelemetry's conventions for generative AI (opentelemetry.io/docs/specs/semconv/gen-ai). No prompt or
/// answer text is recorded.
/// </summary>
internal sealed class ServerTelemetry : IDisposable
{
    internal const string Name = "AlignerOnnx.Serving";

    // Names of adapters come from clients; without a cap their number could fill the memory of a metrics store.
    private const int MostAdapters = 100;

    private static readonly ActivitySource Source = new(Name);

    private readonly Meter _meter = new(Name);
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _perToken;
    private readonly Histogram<long> _tokens;
    private readonly Counter<long> _errors;
    private readonly HashSet<string> _adapters = new(StringComparer.Ordinal);

    internal ServerTelemetry(Admission admission, AdapterRegistry adapters)
    {
        _duration = Seconds("gen_ai.server.request.duration", "Time from a request's arrival to its last token.", [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]);
        _firstToken = Seconds("gen_ai.server.time_to_first_token", "Time from a request's arrival to its first token.", [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]);
        _perToken = Seconds("gen_ai.server.time_per_output_token", "Time of each token after the first.", [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]);
        _tokens = _meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Tokens of prompts and answers.", advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536] });
        _errors = _meter.CreateCounter<long>("aligner.server.errors", "{request}", "Requests that were refused or failed, by status.");
        _meter.CreateObservableGauge("aligner.server.active_requests", () => admission.Active, "{request}", "Requests that are being answered.");
        _meter.CreateObservableGauge("aligner.server.queued_requests", () => admission.Waiting, "{request}", "Requests that wait for their turn.");
        _meter.CreateObservableGauge("aligner.server.resident_adapters", () => adapters.Resident.Count, "{adapter}", "Adapter versions in memory.");
    }

    /// <summary>Begins to measure one request.</summary>
    internal RequestMeasure Begin(string operation, ModelLease model)
    {
        string adapter = AdapterId(model);
        Activity? activity = Source.StartActivity($"{operation} {model.Name}", ActivityKind.Server);
        activity?.SetTag("gen_ai.operation.name", operation).SetTag("gen_ai.provider.name", "aligneronnx").SetTag("gen_ai.request.model", model.Name)
            .SetTag("aligner.adapter.id", string.Join('+', model.Versions.Select(version => version.Id)));
        TagList tags = new() { { "gen_ai.operation.name", operation }, { "gen_ai.provider.name", "aligneronnx" }, { "aligner.adapter.id", adapter } };
        return new RequestMeasure(this, activity, tags);
    }

    internal void Refused(int status) => _errors.Add(1, new KeyValuePair<string, object?>("http.response.status_code", status));

    public void Dispose() => _meter.Dispose();

    private string AdapterId(ModelLease model)
    {
        if (model.Parts is [])
        {
            return "base";
        }
        string name = string.Join('+', model.Versions.Select(version => version.Name));
        lock (_adapters)
        {
            return _adapters.Contains(name) || (_adapters.Count < MostAdapters && _adapters.Add(name)) ? name : "other";
        }
    }

    private Histogram<double> Seconds(string name, string description, IReadOnlyList<double> boundaries) =>
        _meter.CreateHistogram(name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = boundaries });

    /// <summary>One request while it runs.</summary>
    internal sealed class RequestMeasure(ServerTelemetry telemetry, Activity? activity, TagList tags) : IDisposable
    {
        private readonly long _started = TimeProvider.System.GetTimestamp();
        private TimeSpan? _first;
        private int _produced;

        internal TimeSpan Elapsed => TimeProvider.System.GetElapsedTime(_started);

        internal int Produced => _produced;

        internal void Token()
        {
            // Answers to one request grow side by side.
            if (Interlocked.Increment(ref _produced) == 1)
            {
                _first = Elapsed;
                telemetry._firstToken.Record(_first.Value.TotalSeconds, tags);
            }
        }

        internal void Finish(int promptTokens)
        {
            if (_first is { } first && _produced > 1)
            {
                telemetry._perToken.Record((Elapsed - first).TotalSeconds / (_produced - 1), tags);
            }
            Tokens("input", promptTokens);
            Tokens("output", _produced);
            activity?.SetTag("gen_ai.usage.input_tokens", promptTokens).SetTag("gen_ai.usage.output_tokens", _produced);
        }

        internal void Fail(Exception e)
        {
            tags.Add("error.type", e is ApiException refused ? $"{refused.Status}" : e.GetType().Name);
            activity?.SetStatus(ActivityStatusCode.Error, e.GetType().Name);
        }

        public void Dispose()
        {
            telemetry._duration.Record(Elapsed.TotalSeconds, tags);
            activity?.Dispose();
        }

        private void Tokens(string type, int count)
        {
            TagList typed = tags;
            typed.Add("gen_ai.token.type", type);
            telemetry._tokens.Record(count, typed);
        }
    }
}
