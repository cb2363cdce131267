using System.Text.Json;

namespace AlignerOnnx.Serving;

/// <summary>Writes server-sent events, each sent at once.</summary>
internal sealed class EventStream(HttpResponse response)
{
    internal Task WriteAsync(ChatCompletionChunk chunk, CancellationToken cancellation) =>
        SendAsync(JsonSerializer.Serialize(chunk, ApiJson.Default.ChatCompletionChunk), cancellation);

    internal Task WriteErrorAsync(ApiException error, CancellationToken cancellation) => SendAsync(ErrorHandling.ToJson(error), cancellation);

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
