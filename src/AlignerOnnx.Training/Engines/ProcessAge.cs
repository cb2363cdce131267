using System.Diagnostics;

namespace AlignerOnnx.Training;

/// <summary>How long this process has been running, the start of the runtime included.</summary>
public static class ProcessAge
{
    /// <summary>Reads it.</summary>
    /// <returns>Seconds since the operating system started the process.</returns>
    public static double ReadSeconds()
    {
        using Process process = Process.GetCurrentProcess();
        return (TimeProvider.System.GetUtcNow() - process.StartTime.ToUniversalTime()).TotalSeconds;
    }
}
