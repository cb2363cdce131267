namespace AlignerOnnx.Kernels;

/// <summary>
/// How many runs of sessions compute at the same time. Where they take every processor, a kernel stays on the thread of its run: the session's other threads would only take time from other runs.
/// </summary>
internal static class ConcurrentRuns
{
    private static readonly int s_processors = Environment.ProcessorCount;
    private static int s_runs;

    internal static bool TakeEveryProcessor => Volatile.Read(ref s_runs) >= s_processors;

    /// <summary>Says that a run begins on the calling thread.</summary>
    internal static void Begin() => Interlocked.Increment(ref s_runs);

    /// <summary>Says that it has ended.</summary>
    internal static void End() => Interlocked.Decrement(ref s_runs);
}
