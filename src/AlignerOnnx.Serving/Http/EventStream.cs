namespace AlignerOnnx.Serving;

/// <summary>Writes server-sent events, each sent at once and whole; answers that grow together share it.</summary>
internal sealed class EventStream(HttpResponse response) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);

    internal Task WriteAsync(string json, CancellationToken cancellation) => SendAsync(json, cancellation);

    internal Task EndAsync(CancellationToken cancellation) => SendAsync("[DONE]", cancellation);

    public void Dispose() => _turn.Dispose();

    private async Task SendAsync(string data, CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation);
        try
        {
            if (!response.HasStarted)
            {
                response.ContentType = "text/event-stream";
                response.Headers.CacheControl = "no-cache";
                // Tells nginx not to collect the events.
                response.Headers["X-Accel-Buffering"] = "no";
            }
            await response.WriteAsync($"data: {data}\n\n", cancellation);
            await response.Body.FlushAsync(cancellation);
        }
        finally
        {
            _turn.Release();
        }
    }
}
