using System.Diagnostics;

namespace AlignerOnnx.Training;

/// <summary>
/// Compares the time of two actions on a noisy machine: both, and a control that does what the first does, run in every round in an order that changes from round to
/// round, so that what runs before favours none. What counts is the median of the ratios within rounds; the control's says how far from 1 noise alone gets.
/// </summary>
public static class PairedBenchmark
{
    private static readonly int[][] Orders = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [1, 0, 2], [0, 2, 1]];

    /// <summary>Runs the rounds.</summary>
    /// <param name="first">What is compared with.</param>
    /// <param name="control">The same as <paramref name="first"/>, on a second instance where it has one.</param>
    /// <param name="second">What is compared.</param>
    /// <param name="rounds">Counted rounds; at least 1.</param>
    /// <param name="warmUps">Rounds before those.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    public static PairedResult Run(Action first, Action control, Action second, int rounds, int warmUps = 2, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        Action[] actions = [first, control, second];
        List<double[]> times = [];
        for (int round = -warmUps; round < rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            double[] time = new double[actions.Length];
            foreach (int index in Orders[(round + warmUps) % Orders.Length])
            {
                time[index] = Time(actions[index]);
            }
            if (round >= 0)
            {
                times.Add(time);
            }
        }
        return new PairedResult(
            Median(times.Select(time => time[0])), Median(times.Select(time => time[2])),
            Median(times.Select(time => time[2] / time[0])), Median(times.Select(time => time[1] / time[0])), rounds);
    }

    private static double Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    internal static double Median(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What a paired benchmark measured; times are medians in milliseconds.</summary>
/// <param name="FirstMilliseconds">The first action.</param>
/// <param name="SecondMilliseconds">The second action.</param>
/// <param name="Ratio">Median of second / first.</param>
/// <param name="ControlRatio">Median of control / first.</param>
/// <param name="Runs">Counted rounds.</param>
public sealed record PairedResult(double FirstMilliseconds, double SecondMilliseconds, double Ratio, double ControlRatio, int Runs);
