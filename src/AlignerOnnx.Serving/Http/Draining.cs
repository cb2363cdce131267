using Microsoft.Extensions.Hosting;

namespace AlignerOnnx.Serving;

/// <summary>Lets the answers that were asked for end before the server stops listening, so that who asks meanwhile hears why there is none and load balancers see it go.</summary>
internal sealed class Draining(IHostApplicationLifetime lifetime, Admission admission) : IHostedLifecycleService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        lifetime.StopApplication();
        admission.Close();
        while (!admission.IsEmpty && !cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(LookEvery, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
