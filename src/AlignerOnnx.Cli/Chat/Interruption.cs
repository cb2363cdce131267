namespace AlignerOnnx.Cli;

/// <summary>What Ctrl-C means: it asks the command to stop, unless somebody has taken it for something smaller.</summary>
internal static class Interruption
{
    private static Action? s_taken;

    /// <summary>Takes Ctrl-C until the result is disposed.</summary>
    /// <param name="handle">What it does meanwhile.</param>
    public static IDisposable Take(Action handle)
    {
        s_taken = handle;
        return new Hold();
    }

    /// <summary>Gives an interruption to whoever has taken it.</summary>
    /// <returns>Whether somebody had.</returns>
    public static bool Give()
    {
        Action? handle = s_taken;
        handle?.Invoke();
        return handle is not null;
    }

    private sealed class Hold : IDisposable
    {
        public void Dispose() => s_taken = null;
    }
}
