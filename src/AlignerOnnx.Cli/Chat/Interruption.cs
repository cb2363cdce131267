namespace AlignerOnnx.Cli;

/// <summary>What Ctrl-C means: it asks the command to stop, unless somebody has taken it for something smaller.</summary>
internal static class Interruption
{
    // Held while an interruption is handled: whoever has let go of it is not called any more.
    private static readonly Lock s_gate = new();
    private static Action? s_taken;

    /// <summary>Takes Ctrl-C until the result is disposed.</summary>
    /// <param name="handle">What it does meanwhile.</param>
    public static IDisposable Take(Action handle)
    {
        Set(handle);
        return new Hold();
    }

    /// <summary>Gives an interruption to whoever has taken it.</summary>
    /// <returns>Whether somebody had.</returns>
    public static bool Give()
    {
        lock (s_gate)
        {
            s_taken?.Invoke();
            return s_taken is not null;
        }
    }

    private static void Set(Action? handle)
    {
        lock (s_gate)
        {
            s_taken = handle;
        }
    }

    private sealed class Hold : IDisposable
    {
        public void Dispose() => Set(null);
    }
}
