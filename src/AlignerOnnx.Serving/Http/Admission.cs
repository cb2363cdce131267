using System.Threading.RateLimiting;

namespace AlignerOnnx.Serving;

/// <summary>Lets so many generations run at once and so many wait, first come first served; the rest are told to come back.</summary>
internal sealed class Admission(int atOnce, int waiting) : IDisposable
{
    private const int RetryAfterSeconds = 1;

    private readonly ConcurrencyLimiter _limiter = new(new ConcurrencyLimiterOptions
    {
        PermitLimit = atOnce,
        QueueLimit = waiting,
        QueueProcessingOrder = QueueProcessingOrder.OldestFirst,
    });

    private volatile bool _closed;

    internal long Active => atOnce - (_limiter.GetStatistics()?.CurrentAvailablePermits ?? 0);

    internal long Waiting => _limiter.GetStatistics()?.CurrentQueuedCount ?? 0;

    internal bool IsEmpty => Active == 0 && Waiting == 0;

    /// <summary>Takes no more; those that are in or wait go on.</summary>
    internal void Close() => _closed = true;

    internal async Task<IDisposable> EnterAsync(HttpResponse response, CancellationToken cancellation)
    {
        if (_closed)
        {
            response.Headers.RetryAfter = $"{RetryAfterSeconds}";
            throw new ApiException(StatusCodes.Status503ServiceUnavailable, "The server is being stopped.", code: "server_stopping");
        }
        RateLimitLease lease = await _limiter.AcquireAsync(1, cancellation);
        if (lease.IsAcquired)
        {
            return lease;
        }
        lease.Dispose();
        response.Headers.RetryAfter = $"{RetryAfterSeconds}";
        throw new ApiException(StatusCodes.Status429TooManyRequests, "The server is busy and its queue is full; try again shortly.", code: "server_busy");
    }

    public void Dispose() => _limiter.Dispose();
}
