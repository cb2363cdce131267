using Microsoft.Extensions.Hosting;

namespace AlignerOnnx.Serving;

/// <summary>Work that goes on beside the answers until the server stops.</summary>
internal abstract class ServerLoop : BackgroundService
{
    /// <summary>Works until it is cancelled, which it may say by the exception of what it waits for.</summary>
    protected abstract Task RunAsync(CancellationToken stoppingToken);

    /// <summary>A cancelled wait is the ordinary end; the host takes its exception for a failure where the server never started, its port in use for example.</summary>
    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await RunAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }
}
