using System.Diagnostics;
using System.Globalization;

namespace AlignerOnnx.Training;

/// <summary>The largest memory that this process has used.</summary>
public static class PeakMemory
{
    /// <summary>Reads the peak of the resident set since the start of the process: VmHWM of /proc/self/status on Linux, the peak working set elsewhere.</summary>
    /// <returns>Bytes; mapped model files count while their pages are resident.</returns>
    public static long ReadBytes() => FromLinuxStatus() ?? FromProcess();

    private static long? FromLinuxStatus()
    {
        const string Status = "/proc/self/status";
        string? line = OperatingSystem.IsLinux() && File.Exists(Status)
            ? File.ReadLines(Status).FirstOrDefault(text => text.StartsWith("VmHWM:", StringComparison.Ordinal))
            : null;
        return line is null ? null : ParseKibibytes(line);
    }

    /// <summary>Reads a line like <c>VmHWM:   123456 kB</c>.</summary>
    internal static long? ParseKibibytes(string line)
    {
        string[] parts = line.Split([' ', '\t', ':'], StringSplitOptions.RemoveEmptyEntries);
        return parts.Length >= 2 && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long kibibytes) ? kibibytes * 1024 : null;
    }

    private static long FromProcess()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
