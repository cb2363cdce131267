using System.Diagnostics.Metrics;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Counts the tokens of prompts that batches did not have to compute.</summary>
internal sealed class ReusedTokens : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _count;

    internal ReusedTokens()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "aligner.batch.prompt_tokens.reused")
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, tokens, _, _) => Interlocked.Add(ref _count, tokens));
        _listener.Start();
    }

    internal long Count => Interlocked.Read(ref _count);

    public void Dispose() => _listener.Dispose();
}
