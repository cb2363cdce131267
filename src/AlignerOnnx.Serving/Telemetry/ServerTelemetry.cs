using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AlignerOnnx.Serving;

/// <summary>
/// What the server measures of its work, under the names of OpenTelemetry's conventions for generative AI (github.com/open-telemetry/semantic-conventions-genai). No
/// prompt or answer text is recorded.
/// </summary>
internal sealed class ServerTelemetry : IDisposable
{
    internal const string Name = "AlignerOnnx.Serving";

    private const string Provider = "aligneronnx";
    private const string Base = "base";

    internal static readonly string? Version = typeof(ServerTelemetry).Assembly.GetName().Version?.ToString(3);

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
        // The conventions' boundaries, and further ones where an answer may take as long as this server allows, or tokens come faster than they expect.
        _duration = Seconds("gen_ai.server.request.duration", "Time from a request's arrival to its last token.", [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68]);
        _firstToken = Seconds("gen_ai.server.time_to_first_token", "Time from a request's arrival to its first token.", [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]);
        _perToken = Seconds("gen_ai.server.time_per_output_token", "Time of each token after the first.", [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]);
        _tokens = _meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Tokens of prompts and answers.", advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864] });
        _errors = _meter.CreateCounter<long>("aligner.server.errors", "{request}", "Requests that were refused or failed, by status.");
        _meter.CreateObservableGauge("aligner.server.active_requests", () => admission.Active, "{request}", "Requests that are being answered.");
        _meter.CreateObservableGauge("aligner.server.queued_requests", () => admission.Waiting, "{request}", "Requests that wait for their turn.");
        _meter.CreateObservableGauge("aligner.server.resident_adapters", () => adapters.Resident.Count, "{adapter}", "Adapter versions in memory.");
    }

    /// <summary>Begins to measure one request.</summary>
    internal RequestMeasure Begin(string operation, ModelLease model)
    {
        string adapter = AdapterId(model);
        // The model is called within this process; the request itself is the framework's span.
        Activity? activity = Source.StartActivity($"{operation} {model.Name}", ActivityKind.Internal);
        activity?.SetTag("gen_ai.operation.name", operation).SetTag("gen_ai.provider.name", Provider).SetTag("gen_ai.request.model", model.Name).SetTag("gen_ai.response.model", model.Name)
            .SetTag("aligner.adapter.id", model.Parts is [] ? Base : string.Join('+', model.Versions.Select(version => version.Id)));
        TagList tags = new()
        {
            { "gen_ai.operation.name", operation },
            { "gen_ai.provider.name", Provider },
            { "gen_ai.request.model", model.Parts is [] ? model.Name : adapter },
            { "aligner.adapter.id", adapter },
        };
        return new RequestMeasure(this, activity, tags);
    }

    internal void Refused(int status) => _errors.Add(1, new KeyValuePair<string, object?>("http.response.status_code", status));

    public void Dispose() => _meter.Dispose();

    private string AdapterId(ModelLease model)
    {
        if (model.Parts is [])
        {
            return Base;
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
        private string? _error;

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
            if (_error is null && _first is { } first && _produced > 1)
            {
                telemetry._perToken.Record((Elapsed - first).TotalSeconds / (_produced - 1), tags);
            }
            // Of an answer that never began no tokens were used.
            if (_produced > 0)
            {
                Tokens("input", promptTokens);
                Tokens("output", _produced);
                activity?.SetTag("gen_ai.usage.input_tokens", promptTokens).SetTag("gen_ai.usage.output_tokens", _produced);
            }
        }

        internal void Fail(Exception e)
        {
            _error = e switch
            {
                ApiException told => told.Code ?? $"{told.Status}",
                OperationCanceledException => "cancelled",
                _ => e.GetType().FullName,
            };
            activity?.SetTag("error.type", _error).SetStatus(ActivityStatusCode.Error);
        }

        public void Dispose()
        {
            if (_error is not null)
            {
                tags.Add("error.type", _error);
            }
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
