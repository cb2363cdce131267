using System.Diagnostics;

namespace AlignerOnnx.Serving;

/// <summary>Counts what is made, by several threads too, and tells how far it has come.</summary>
/// <param name="what">What is made, in the plural.</param>
/// <param name="count">How many will be.</param>
/// <param name="progress">Is told after each, in order.</param>
internal sealed class WorkCounter(string what, int count, Action<WorkProgress>? progress)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Lock _gate = new();
    private int _done;

    /// <summary>Counts one and passes it on.</summary>
    public T Made<T>(T one)
    {
        Made(1);
        return one;
    }

    public void Made(int more)
    {
        lock (_gate)
        {
            _done += more;
            progress?.Invoke(new WorkProgress(what, _done, count, Stopwatch.GetElapsedTime(_start)));
        }
    }
}
