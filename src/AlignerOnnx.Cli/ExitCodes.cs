namespace AlignerOnnx.Cli;

/// <summary>What the process's exit code says; scripts rely on these numbers.</summary>
public static class ExitCodes
{
    /// <summary>The command did what it was asked.</summary>
    public const int Done = 0;

    /// <summary>The command failed for a reason that is none of the others.</summary>
    public const int Failure = 1;

    /// <summary>The command line itself is wrong.</summary>
    public const int Usage = 2;

    /// <summary>The model cannot be read, is unsafe, or cannot be patched.</summary>
    public const int ModelRefused = 3;

    /// <summary>The adapter or the data cannot be used.</summary>
    public const int AdapterOrDataRefused = 4;

    /// <summary>A verification ran and found a difference.</summary>
    public const int VerificationFailed = 5;

    /// <summary>The user stopped the command.</summary>
    public const int Cancelled = 130;
}
