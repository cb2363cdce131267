namespace AlignerOnnx.Training;

/// <summary>Trains tokens and gates by AdamW: the frozen model is the engine's, only the adapter moves.</summary>
public sealed class AdapterTrainer
{
    private readonly IGradientEngine _engine;
    private readonly TrainingOptions _options;
    private readonly LearningRateSchedule _schedule;

    /// <summary>Makes a trainer.</summary>
    /// <param name="engine">Computes gradients; the caller disposes it.</param>
    /// <param name="options">The recipe.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public AdapterTrainer(IGradientEngine engine, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _engine = engine;
        _options = options;
        _schedule = options.MakeSchedule();
    }

    /// <summary>Trains from a state; with the state of a stopped run, the same objective and options it ends exactly where that run would have ended.</summary>
    /// <param name="objective">What to minimise.</param>
    /// <param name="start">The state to continue from, or <see cref="TrainingState.Start"/>; it is copied.</param>
    /// <param name="evaluation">Measures held-out rows; null measures nothing.</param>
    /// <param name="watcher">Is told of each step; null for nobody.</param>
    /// <param name="cancellationToken">Stops training after the last complete step, without an exception.</param>
    /// <returns>The final state and measures.</returns>
    /// <exception cref="TrainingDivergedException">Loss or gradient is not finite.</exception>
    public TrainingResult Train(ITrainingObjective objective, TrainingState start, IEvaluation? evaluation = null, ITrainingWatcher? watcher = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(start);
        TrainingRun run = new(_options, start, _engine);
        try
        {
            while (run.Step < _options.Steps && !run.Stale)
            {
                cancellationToken.ThrowIfCancellationRequested();
                IEvaluation? due = _options.EvaluatesAfter(run.Step + 1) ? evaluation : null;
                run.Begin(evaluated: due is not null);
                TrainingProgress made = MakeStep(run, objective, cancellationToken);
                if (due is not null)
                {
                    made = made with { Evaluation = due.Measure(_engine, run.Parameters, cancellationToken) };
                    run.Keep(made.Evaluation);
                }
                watcher?.Stepped(made with { PeakMemoryBytes = run.PeakMemoryBytes }, run.Snapshot);
            }
            return run.Finish(cancelled: false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return run.Finish(cancelled: true);
        }
    }

    private TrainingProgress MakeStep(TrainingRun run, ITrainingObjective objective, CancellationToken cancellationToken)
    {
        double learningRate = _schedule.At(run.Step);
        GradientSum gradient = run.Gradient;
        StepMeasures measures = objective.ComputeGradient(_engine, run.Step, run.Parameters, gradient, cancellationToken);
        RequireFinite(run, objective, "loss", measures.Loss, learningRate);
        double norm = _options.MaximumGradientNorm is double limit
            ? GradientClipping.ClipByNorm(limit, gradient.Tokens, gradient.Gates)
            : GradientClipping.Norm(gradient.Tokens, gradient.Gates);
        RequireFinite(run, objective, "gradient", norm, learningRate);
        run.Update(measures, learningRate);
        return new TrainingProgress(run.Step, _options.Steps, measures.Loss, learningRate, norm, run.TokensPerSecond, run.Elapsed)
        {
            Values = measures.Values,
            StepsOfRun = run.StepsOfRun,
            Growth = run.Growth is { } growth && growth.Step == run.Step ? growth : null,
        };
    }

    private static void RequireFinite(TrainingRun run, ITrainingObjective objective, string quantity, double value, double learningRate)
    {
        if (!double.IsFinite(value))
        {
            throw new TrainingDivergedException(run.Step + 1, quantity, value, learningRate, objective.PlacesOf(run.Step), run.Snapshot());
        }
    }
}
