namespace AlignerOnnx.Serving;

/// <summary>Writes server-sent events, each sent at once.</summary>
internal sealed class EventStream(HttpResponse response)
{
    internal Task WriteAsync(string json, CancellationToken cancellation) => SendAsync(json, cancellation);

    internal Task EndAsync(CancellationToken cancellation) => SendAsync("[DONE]", cancellation);

    private async Task SendAsync(string data, CancellationToken cancellation)
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
}
