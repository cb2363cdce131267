namespace AlignerOnnx.Training;

/// <summary>
/// The learning-rate range test (Smith, arXiv 1506.01186): trains for a while with a rate that grows exponentially and watches the loss. Where it falls fastest the rate moves the adapter
/// as it should; where it rises again the rate is too high. What was trained is thrown away.
/// </summary>
public static class LearningRateRangeTest
{
    // The mean of about two steps: the rows stay the same, and the loss does not jump.
    private const double Smoothing = 0.5;

    // Beyond this factor over the best loss so far nothing more is learnt about the rate.
    private const double Diverged = 2;

    /// <summary>Runs the test.</summary>
    /// <param name="engine">Computes gradients.</param>
    /// <param name="objective">What to minimise.</param>
    /// <param name="start">Tokens and gates to start from; they are copied.</param>
    /// <param name="options">The recipe; of it the rate, its schedule and the number of steps are not read.</param>
    /// <param name="range">The rates to try; null for the defaults.</param>
    /// <param name="progress">Called after each step.</param>
    /// <param name="cancellation">Stops the test.</param>
    /// <returns>The curve and what to make of it.</returns>
    /// <exception cref="OperationCanceledException">The test was stopped.</exception>
    public static LearningRateCurve Run(
        IGradientEngine engine, ITrainingObjective objective, AdapterParameters start, TrainingOptions options, LearningRateRange? range = null, Action<LearningRatePoint>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(start);
        ArgumentNullException.ThrowIfNull(options);
        range ??= new LearningRateRange();
        range.Check();
        AdapterParameters parameters = start.Clone();
        AdapterAdamW optimizer = new(options.Optimizer, parameters, state: null);
        GradientSum gradient = new(parameters.Shape);
        List<LearningRatePoint> points = [];
        double mean = 0;
        double best = double.PositiveInfinity;
        for (int step = 0; step < range.Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            gradient.Clear();
            double loss = objective.ComputeGradient(engine, step, parameters, gradient, cancellation).Loss;
            double norm = GradientClipping.ClipByNorm(options.MaximumGradientNorm ?? double.MaxValue, gradient.Tokens, gradient.Gates);
            if (!double.IsFinite(loss) || !double.IsFinite(norm))
            {
                break;
            }
            mean = (Smoothing * mean) + ((1 - Smoothing) * loss);
            points.Add(new LearningRatePoint(step + 1, range.At(step), loss, mean / (1 - Math.Pow(Smoothing, step + 1))));
            progress?.Invoke(points[^1]);
            best = Math.Min(best, points[^1].SmoothedLoss);
            if (points[^1].SmoothedLoss > Diverged * best)
            {
                break;
            }
            optimizer.Step(parameters, range.At(step), gradient);
        }
        return new LearningRateCurve(points, Suggest(points));
    }

    /// <summary>The middle of the fall: where the smoothed loss has come half of the way from its start to its lowest, on the last way down to it. Null where the loss never fell.</summary>
    internal static double? Suggest(IReadOnlyList<LearningRatePoint> points)
    {
        if (points.Count == 0)
        {
            return null;
        }
        LearningRatePoint lowest = points.MinBy(point => point.SmoothedLoss)!;
        LearningRatePoint[] before = [.. points.TakeWhile(point => point != lowest)];
        double half = (before.Select(point => point.SmoothedLoss).DefaultIfEmpty(lowest.SmoothedLoss).Max() + lowest.SmoothedLoss) / 2;
        return before.LastOrDefault(point => point.SmoothedLoss >= half)?.LearningRate;
    }
}

/// <summary>The rates that a range test tries.</summary>
public sealed record LearningRateRange
{
    /// <summary>The rate of the first step, above 0. Default 3e-4.</summary>
    public double Lowest { get; init; } = 3e-4;

    /// <summary>The rate of the last step, above <see cref="Lowest"/>. Default 1.</summary>
    public double Highest { get; init; } = 1;

    /// <summary>Steps, 2 or more. Default 35.</summary>
    public int Steps { get; init; } = 35;

    /// <summary>Checks every range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Check()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Lowest);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Highest, Lowest);
        ArgumentOutOfRangeException.ThrowIfLessThan(Steps, 2);
    }

    internal double At(int step) => Lowest * Math.Pow(Highest / Lowest, (double)step / (Steps - 1));
}

/// <summary>One step of a range test.</summary>
/// <param name="Step">The step, from 1.</param>
/// <param name="LearningRate">The rate of its update.</param>
/// <param name="Loss">The loss of its batch before the update.</param>
/// <param name="SmoothedLoss">The mean of the losses so far, later ones counting more.</param>
public sealed record LearningRatePoint(int Step, double LearningRate, double Loss, double SmoothedLoss);

/// <summary>What a range test found.</summary>
/// <param name="Points">The steps made.</param>
/// <param name="Suggestion">A rate to train with; null where the loss did not fall.</param>
public sealed record LearningRateCurve(IReadOnlyList<LearningRatePoint> Points, double? Suggestion);
