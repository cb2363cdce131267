namespace AlignerOnnx.ServerLoad;

/// <summary>Samples a server's memory until it is disposed.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly List<double> _samples = [];
    private readonly Task _sampling;

    internal MemoryWatch(ServedModel server) => _sampling = SampleAsync(server);

    /// <summary>Median of the second and of the last tenth of the samples, and the most: what grows for ever shows as a difference.</summary>
    internal (double Early, double Late, double Most) Summary
    {
        get
        {
            int tenth = Math.Max(1, _samples.Count / 10);
            return (Percentile.Of([.. _samples.Skip(Math.Min(tenth, _samples.Count - 1)).Take(tenth)], 50), Percentile.Of([.. _samples.TakeLast(tenth)], 50), _samples.Max());
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _sampling;
        _end.Dispose();
    }

    private async Task SampleAsync(ServedModel server)
    {
        try
        {
            using PeriodicTimer timer = new(TimeSpan.FromSeconds(1));
            do
            {
                try
                {
                    _samples.Add(server.ReadMemory());
                }
                catch (Exception e) when (e is IOException or InvalidOperationException)
                {
                    // The server is being started again.
                }
            }
            while (await timer.WaitForNextTickAsync(_end.Token));
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }
}
