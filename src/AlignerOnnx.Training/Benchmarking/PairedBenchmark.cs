using System.Diagnostics;

namespace AlignerOnnx.Training;

/// <summary>
/// Compares the time of two actions on a noisy machine: they alternate in one process, and what counts is the median of the ratios of neighbours. A second run
/// of the first action in every round is the control: its ratio says how far from 1 noise alone gets.
/// </summary>
public static class PairedBenchmark
{
    /// <summary>Runs rounds of first, second, first.</summary>
    /// <param name="first">What is compared with.</param>
    /// <param name="second">What is compared.</param>
    /// <param name="rounds">Counted rounds; at least 1.</param>
    /// <param name="warmUps">Rounds before those.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    public static PairedResult Run(Action first, Action second, int rounds, int warmUps = 2, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        List<(double First, double Second, double Again)> times = [];
        for (int round = -warmUps; round < rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            (double a, double b, double c) = (Time(first), Time(second), Time(first));
            if (round >= 0)
            {
                times.Add((a, b, c));
            }
        }
        return new PairedResult(
            Median(times.Select(time => time.First)), Median(times.Select(time => time.Second)),
            Median(times.Select(time => 2 * time.Second / (time.First + time.Again))), Median(times.Select(time => time.Again / time.First)), rounds);
    }

    private static double Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static double Median(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What a paired benchmark measured; times are medians in milliseconds.</summary>
/// <param name="FirstMilliseconds">The first action.</param>
/// <param name="SecondMilliseconds">The second action.</param>
/// <param name="Ratio">Median of second / mean of its two neighbours.</param>
/// <param name="ControlRatio">Median of first / first.</param>
/// <param name="Runs">Counted rounds.</param>
public sealed record PairedResult(double FirstMilliseconds, double SecondMilliseconds, double Ratio, double ControlRatio, int Runs);
