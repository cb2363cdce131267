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

    internal long Active => atOnce - (_limiter.GetStatistics()?.CurrentAvailablePermits ?? 0);

    internal long Waiting => _limiter.GetStatistics()?.CurrentQueuedCount ?? 0;

    internal async Task<IDisposable> EnterAsync(HttpResponse response, CancellationToken cancellation)
    {
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
