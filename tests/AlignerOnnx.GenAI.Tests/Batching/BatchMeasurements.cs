using System.Diagnostics.Metrics;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Listens to one instrument of the batches of this process.</summary>
/// <typeparam name="T">What the instrument measures.</typeparam>
internal sealed class BatchMeasurements<T> : IDisposable
    where T : struct
{
    private readonly MeterListener _listener = new();

    /// <param name="instrument">The instrument's name.</param>
    /// <param name="take">Takes each measurement, on whatever thread it is made.</param>
    internal BatchMeasurements(string instrument, Action<T> take)
    {
        _listener.InstrumentPublished = (published, listener) =>
        {
            if (published.Meter.Name == ChatModel.MeterName && published.Name == instrument)
            {
                listener.EnableMeasurementEvents(published);
            }
        };
        _listener.SetMeasurementEventCallback<T>((_, measured, _, _) => take(measured));
        _listener.Start();
    }

    public void Dispose() => _listener.Dispose();
}
