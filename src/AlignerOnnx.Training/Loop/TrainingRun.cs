using System.Diagnostics;

namespace AlignerOnnx.Training;

/// <summary>What changes while one run goes on.</summary>
internal sealed class TrainingRun
{
    // A loss that has grown can come down again as the rate falls: the best adapter so far is given so many evaluations to be beaten.
    private const int PatienceWhileGrown = 3;

    private readonly TrainingOptions _options;
    private readonly IAdapterOptimizer _optimizer;
    private readonly IOptimizingEngine? _engine;
    private readonly List<double> _losses;
    private readonly int _firstStep;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private BestEvaluation? _best;
    private int _evaluationsSinceBest;
    private TrainingState? _beforeStep;
    private long _tokens;

    public TrainingRun(TrainingOptions options, TrainingState start, IGradientEngine engine)
    {
        _options = options;
        Parameters = start.Parameters.Clone();
        Gradient = new GradientSum(Parameters.Shape);
        _engine = engine as IOptimizingEngine;
        _optimizer = _engine?.StartOptimizer(start) ?? new AdapterAdamW(options.Optimizer, Parameters, start.Optimizer);
        _losses = [.. start.Losses];
        _firstStep = start.Step;
        _best = start.Best;
        _evaluationsSinceBest = start.EvaluationsSinceBest;
        Growth = LossGrowth.Find(_losses);
    }

    public int Step => _losses.Count;

    public int StepsOfRun => Step - _firstStep;

    /// <summary>Whether the last evaluations brought nothing better.</summary>
    public bool Stale => _evaluationsSinceBest >= (_options.Patience ?? (LossGrowth.At(_losses, Step) is null ? int.MaxValue : PatienceWhileGrown));

    /// <summary>When the loss grew far above its start; null where it has not.</summary>
    public LossGrowth? Growth { get; private set; }

    public AdapterParameters Parameters { get; }

    public GradientSum Gradient { get; }

    public TimeSpan Elapsed => _clock.Elapsed;

    public long PeakMemoryBytes => PeakMemory.ReadBytes() + (_engine?.PeakMemoryBytes ?? 0);

    public double TokensPerSecond => _tokens / Math.Max(Elapsed.TotalSeconds, 1e-9);

    /// <summary>Starts a step; one that an evaluation belongs to is only complete with it, so a run that is stopped in between goes back to this state.</summary>
    public void Begin(bool evaluated)
    {
        _beforeStep = evaluated ? Snapshot() : null;
        Gradient.Clear();
        _optimizer.Begin();
    }

    public void Update(StepMeasures measures, double learningRate)
    {
        _optimizer.Step(Parameters, learningRate, Gradient);
        _losses.Add(measures.Loss);
        Growth ??= LossGrowth.At(_losses, Step);
        _tokens += measures.Tokens;
    }

    public void Keep(EvaluationMeasures measures)
    {
        bool better = double.IsFinite(measures.Score) && measures.Score < (_best?.Measures.Score ?? double.PositiveInfinity);
        if (better)
        {
            _best = new BestEvaluation(Step, measures, Parameters.Clone());
        }
        _evaluationsSinceBest = better ? 0 : _evaluationsSinceBest + 1;
        _beforeStep = null;
    }

    public TrainingState Snapshot() => new(Parameters.Clone(), _optimizer.Snapshot(), [.. _losses]) { Best = _best, EvaluationsSinceBest = _evaluationsSinceBest };

    public TrainingResult Finish(bool cancelled) => new((cancelled ? _beforeStep : null) ?? Snapshot(), cancelled, Elapsed, _tokens, PeakMemoryBytes)
    {
        EarlyStop = cancelled || Step == _options.Steps ? null : new EarlyStop(Step, _options.Steps, _evaluationsSinceBest, _best?.Step, LossGrown: _options.Patience is null),
    };
}
