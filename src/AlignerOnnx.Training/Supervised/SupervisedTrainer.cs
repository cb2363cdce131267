using System.Diagnostics;

namespace AlignerOnnx.Training;

/// <summary>Trains tokens and gates on completions: the frozen model is the engine's, only the adapter moves.</summary>
public sealed class SupervisedTrainer
{
    private readonly IGradientEngine _engine;
    private readonly SupervisedTrainingOptions _options;
    private readonly LearningRateSchedule _schedule;

    /// <summary>Makes a trainer.</summary>
    /// <param name="engine">Computes gradients; the caller disposes it.</param>
    /// <param name="options">The recipe.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public SupervisedTrainer(IGradientEngine engine, SupervisedTrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _engine = engine;
        _options = options;
        _schedule = options.MakeSchedule();
    }

    /// <summary>Trains from given parameters, new (<see cref="AdapterParameters.Initial"/>) or of an older adapter.</summary>
    /// <inheritdoc cref="Train(IReadOnlyList{TrainingExample}, TrainingState, IReadOnlyList{TrainingExample}?, Action{TrainingProgress}?, CancellationToken)"/>
    /// <param name="rows">The rows to learn, at least one.</param>
    /// <param name="start">The parameters to start from; they are copied.</param>
    /// <param name="evaluation">Rows to measure at the end; null measures nothing.</param>
    /// <param name="progress">Called after each step, on the calling thread.</param>
    /// <param name="cancellationToken">Stops training after the last complete step, without an exception.</param>
    public TrainingResult Train(IReadOnlyList<TrainingExample> rows, AdapterParameters start, IReadOnlyList<TrainingExample>? evaluation = null, Action<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
        Train(rows, TrainingState.Start(start), evaluation, progress, cancellationToken);

    /// <summary>Trains from a state; with the state of a cancelled run, the same rows and options it ends exactly where the run would have ended.</summary>
    /// <param name="rows">The rows to learn, at least one.</param>
    /// <param name="start">The state to continue from; it is copied.</param>
    /// <param name="evaluation">Rows to measure at the end; null measures nothing.</param>
    /// <param name="progress">Called after each step, on the calling thread.</param>
    /// <param name="cancellationToken">Stops training after the last complete step, without an exception.</param>
    /// <returns>The final state and measures.</returns>
    /// <exception cref="TrainingDivergedException">Loss or gradient is not finite.</exception>
    /// <exception cref="ArgumentException">There is no row, or one without a completion token.</exception>
    public TrainingResult Train(IReadOnlyList<TrainingExample> rows, TrainingState start, IReadOnlyList<TrainingExample>? evaluation = null, Action<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        RequireRows(rows);
        ArgumentNullException.ThrowIfNull(start);
        Run run = new(_options, rows, start);
        try
        {
            while (run.Step < _options.Steps)
            {
                cancellationToken.ThrowIfCancellationRequested();
                TrainingProgress made = MakeStep(run, cancellationToken);
                progress?.Invoke(made);
            }
            LossSummary? measured = Measure(evaluation, run.Parameters, cancellationToken);
            return run.Finish(cancelled: false, measured);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return run.Finish(cancelled: true, evaluation: null);
        }
    }

    private TrainingProgress MakeStep(Run run, CancellationToken cancellationToken)
    {
        TrainingExample[] rows = run.NextRows();
        double learningRate = _schedule.At(run.Step);
        BatchGradient gradient = run.Gradient;
        gradient.Compute(_engine, rows, run.Parameters, _options, cancellationToken);
        RequireFinite(run, rows, "loss", gradient.Loss, learningRate);
        double norm = _options.MaximumGradientNorm is double limit
            ? GradientClipping.ClipByNorm(limit, gradient.Tokens, gradient.Gates)
            : GradientClipping.Norm(gradient.Tokens, gradient.Gates);
        RequireFinite(run, rows, "gradient", norm, learningRate);
        run.Update(gradient, rows, learningRate);
        return new TrainingProgress(run.Step, _options.Steps, gradient.Loss, learningRate, norm, run.TokensPerSecond, run.Elapsed);
    }

    private LossSummary? Measure(IReadOnlyList<TrainingExample>? rows, AdapterParameters parameters, CancellationToken cancellationToken) =>
        rows is null || rows.Count == 0 ? null : LossEvaluator.Measure(_engine, rows, parameters, _options.MicroBatchSize ?? _options.BatchSize, _options.PaddingId, cancellationToken);

    private static void RequireFinite(Run run, TrainingExample[] rows, string quantity, double value, double learningRate)
    {
        if (!double.IsFinite(value))
        {
            throw new TrainingDivergedException(run.Step + 1, quantity, value, learningRate, [.. rows.Select(row => row.Place)], run.Snapshot());
        }
    }

    private static void RequireRows(IReadOnlyList<TrainingExample> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.Count == 0)
        {
            throw new ArgumentException("Training needs at least one row.", nameof(rows));
        }
        if (rows.FirstOrDefault(row => row.TargetCount == 0) is TrainingExample bare)
        {
            throw new ArgumentException($"{bare.Place} has no completion token to learn.", nameof(rows));
        }
    }

    /// <summary>What changes while one run goes on.</summary>
    private sealed class Run
    {
        private readonly IReadOnlyList<TrainingExample> _rows;
        private readonly BatchPlan _plan;
        private readonly AdamW _optimizer;
        private readonly List<double> _losses;
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private long _tokens;

        public Run(SupervisedTrainingOptions options, IReadOnlyList<TrainingExample> rows, TrainingState start)
        {
            _rows = rows;
            _plan = new BatchPlan(rows.Count, options.BatchSize, options.Order, options.Seed);
            Parameters = start.Parameters.Clone();
            Gradient = new BatchGradient(Parameters.Shape);
            _optimizer = new AdamW(options.Optimizer, Parameters.Tokens, Parameters.Gates);
            if (start.Optimizer is not null)
            {
                _optimizer.Restore(start.Optimizer);
            }
            _losses = [.. start.Losses];
        }

        public int Step => _losses.Count;

        public AdapterParameters Parameters { get; }

        public BatchGradient Gradient { get; }

        public TimeSpan Elapsed => _clock.Elapsed;

        public double TokensPerSecond => _tokens / Math.Max(Elapsed.TotalSeconds, 1e-9);

        public TrainingExample[] NextRows() => [.. _plan.RowsOf(Step).Select(index => _rows[index])];

        public void Update(BatchGradient gradient, TrainingExample[] rows, double learningRate)
        {
            _optimizer.Step(learningRate, gradient.Tokens, gradient.Gates);
            _losses.Add(gradient.Loss);
            _tokens += rows.Sum(row => (long)row.InputIds.Length);
        }

        public TrainingState Snapshot() => new(Parameters.Clone(), _optimizer.Snapshot(), [.. _losses]);

        public TrainingResult Finish(bool cancelled, LossSummary? evaluation) =>
            new(Snapshot(), cancelled, evaluation, Elapsed, _tokens, PeakMemory.ReadBytes());
    }
}
