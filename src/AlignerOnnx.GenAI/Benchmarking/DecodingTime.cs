using System.Diagnostics;

namespace AlignerOnnx.GenAI;

/// <summary>What <see cref="DecodingBenchmark"/> measured of one case; times are medians in milliseconds, processor time is that of all threads together.</summary>
/// <param name="What">A step, or a token of a prompt.</param>
/// <param name="Milliseconds">With kernels of our own.</param>
/// <param name="ProcessorMilliseconds">The same, processor time.</param>
/// <param name="RuntimeMilliseconds">With ONNX Runtime's kernels alone.</param>
/// <param name="RuntimeProcessorMilliseconds">The same, processor time.</param>
/// <param name="Ratio">Processor time with our kernels against that with ONNX Runtime's: the median within rounds.</param>
/// <param name="ControlRatio">Processor time with our kernels against the same again.</param>
public sealed record DecodingTime(string What, double Milliseconds, double ProcessorMilliseconds, double RuntimeMilliseconds, double RuntimeProcessorMilliseconds, double Ratio, double ControlRatio)
{
    internal static DecodingTime Of(DecodingCase what, IReadOnlyList<(Cost Own, Cost Control, Cost Runtime)> rounds)
    {
        int parts = Math.Max(1, what.Prompt);
        return new DecodingTime(
            what.Name, Median(rounds.Select(round => round.Own.Milliseconds)) / parts, Median(rounds.Select(round => round.Own.Processor)) / parts,
            Median(rounds.Select(round => round.Runtime.Milliseconds)) / parts, Median(rounds.Select(round => round.Runtime.Processor)) / parts,
            Median(rounds.Select(round => round.Own.Processor / round.Runtime.Processor)), Median(rounds.Select(round => round.Own.Processor / round.Control.Processor)));
    }

    private static double Median(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What one computation took, in milliseconds.</summary>
internal readonly record struct Cost(double Milliseconds, double Processor)
{
    internal static Cost Of(Action action)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        long started = Stopwatch.GetTimestamp();
        action();
        return new Cost(Stopwatch.GetElapsedTime(started).TotalMilliseconds, (Environment.CpuUsage.TotalTime - before).TotalMilliseconds);
    }
}
