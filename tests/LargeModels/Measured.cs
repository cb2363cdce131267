using System.Diagnostics;
using System.Globalization;

namespace AlignerOnnx.LargeModels;

/// <summary>What one run of the tool took.</summary>
/// <param name="Time">From start to end of its process.</param>
/// <param name="Processor">Of all its threads, to the hundredth of a second; unlike the time it does not grow with what else the machine does.</param>
/// <param name="PeakBytes">The most memory that was resident, as Linux counts it.</param>
internal sealed record Measured(TimeSpan Time, TimeSpan Processor, long PeakBytes)
{
    /// <summary>The folder that commands make, in which none was before.</summary>
    public const string Output = "output";

    /// <summary>The shortest times and the most memory of several runs.</summary>
    public static Measured Best(string[] arguments, int runs, string folder)
    {
        Measured[] all = [.. Enumerable.Range(0, runs).Select(_ => Once(arguments, folder))];
        return new Measured(all.Min(run => run.Time), all.Min(run => run.Processor), all.Max(run => run.PeakBytes));
    }

    private static Measured Once(string[] arguments, string folder)
    {
        foreach (string made in Directory.GetDirectories(folder, $"{Output}*"))
        {
            Directory.Delete(made, recursive: true);
        }
        Stopwatch watch = Stopwatch.StartNew();
        using Process process = Process.Start(new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "aligner.dll"), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        (TimeSpan processor, long peak) = (TimeSpan.Zero, 0L);
        while (!process.WaitForExit(2))
        {
            // Both only grow: what was read last before the end counts.
            processor = ProcessorOf(process) ?? processor;
            peak = Math.Max(peak, PeakOf(process.Id));
        }
        watch.Stop();
        Task.WaitAll(output, errors);
        return process.ExitCode == 0 ? new Measured(watch.Elapsed, processor, peak) : throw new InvalidOperationException($"aligner {string.Join(' ', arguments)} ended with {process.ExitCode}: {errors.Result}");
    }

    private static TimeSpan? ProcessorOf(Process process)
    {
        try
        {
            return process.TotalProcessorTime;
        }
        catch (Exception ended) when (ended is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // The process ends between two looks at it.
            return null;
        }
    }

    private static long PeakOf(int process)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
