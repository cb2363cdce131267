using System.Diagnostics.Metrics;

namespace AlignerOnnx.GenAI;

/// <summary>What the batches of this process do, for OpenTelemetry.</summary>
internal sealed class BatchMeasures : IDisposable
{
    private readonly Meter _meter = new(ChatModel.MeterName);
    private readonly Histogram<int> _rows;
    private readonly Histogram<double> _step;
    private readonly Counter<long> _computed;
    private readonly Counter<long> _reused;

    internal BatchMeasures(Func<int> waiting, Func<long> cacheBytes)
    {
        _rows = _meter.CreateHistogram("aligner.batch.rows", "{row}", "Answers that grew together in one step.", advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128] });
        _step = _meter.CreateHistogram("aligner.batch.step.duration", "s", "Time of one step of the growing answers.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] });
        _computed = _meter.CreateCounter<long>("aligner.batch.prompt_tokens.computed", "{token}", "Tokens of prompts that were computed.");
        _reused = _meter.CreateCounter<long>("aligner.batch.prompt_tokens.reused", "{token}", "Tokens of prompts that were known from earlier prompts.");
        _meter.CreateObservableGauge("aligner.batch.waiting", waiting, "{answer}", "Answers that wait for a row.");
        _meter.CreateObservableGauge("aligner.batch.cache", cacheBytes, "By", "Memory of the keys and values of the rows.");
    }

    internal void Step(int rows, TimeSpan time)
    {
        _rows.Record(rows);
        _step.Record(time.TotalSeconds);
    }

    internal void Computed(int tokens) => _computed.Add(tokens);

    internal void Reused(int tokens) => _reused.Add(tokens);

    public void Dispose() => _meter.Dispose();
}
