namespace AlignerOnnx.Serving;

/// <summary>Opens something in the background while other work goes on. It belongs to this object, which disposes it.</summary>
/// <param name="open">Opens it, on another thread.</param>
internal sealed class Opening<T>(Func<T> open) : IDisposable
    where T : IDisposable
{
    private readonly Task<T> _task = Task.Run(open);

    /// <summary>What was opened; waits for it.</summary>
    /// <exception cref="Exception">What opening threw.</exception>
    public T Value => _task.GetAwaiter().GetResult();

    /// <summary>Waits for the end of opening, since nothing can stop it; a failure that nobody asked for is nobody's concern.</summary>
    public void Dispose()
    {
        ((IAsyncResult)_task).AsyncWaitHandle.WaitOne();
        if (_task.IsCompletedSuccessfully)
        {
            _task.Result.Dispose();
        }
    }
}
