namespace AlignerOnnx.Training;

/// <summary>Everything that the next step depends on besides options and data: a run continued from it equals a run that was never stopped.</summary>
/// <param name="Parameters">Tokens and gates after the last step.</param>
/// <param name="Optimizer">The optimizer's memory; null where nothing was trained yet, so that other tokens and gates can be a start.</param>
/// <param name="Losses">The loss of each step made, before its update.</param>
public sealed record TrainingState(AdapterParameters Parameters, AdamWState? Optimizer, IReadOnlyList<double> Losses)
{
    /// <summary>Steps made.</summary>
    public int Step => Losses.Count;

    /// <summary>The best evaluation so far; null before the first one.</summary>
    public BestEvaluation? Best { get; init; }

    /// <summary>Evaluations since the best one.</summary>
    public int EvaluationsSinceBest { get; init; }

    /// <summary>The state before the first step.</summary>
    /// <param name="parameters">New or given tokens and gates; they are copied.</param>
    /// <returns>The state.</returns>
    public static TrainingState Start(AdapterParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        return new TrainingState(parameters.Clone(), null, []);
    }
}

/// <summary>The evaluation with the lowest score.</summary>
/// <param name="Step">Steps made before it.</param>
/// <param name="Measures">What it measured.</param>
/// <param name="Parameters">Tokens and gates that were measured.</param>
public sealed record BestEvaluation(int Step, EvaluationMeasures Measures, AdapterParameters Parameters);

/// <summary>What is reported after each step.</summary>
/// <param name="Step">The step made, 1 .. <paramref name="Steps"/>.</param>
/// <param name="Steps">All steps.</param>
/// <param name="Loss">Loss of the step's batch before its update.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="GradientNorm">Norm of the gradient before clipping.</param>
/// <param name="TokensPerSecond">Real tokens, prompts included, for each second of this run so far.</param>
/// <param name="Elapsed">Time of this run so far.</param>
public sealed record TrainingProgress(int Step, int Steps, double Loss, double LearningRate, double GradientNorm, double TokensPerSecond, TimeSpan Elapsed)
{
    /// <summary>Steps that this run has made; fewer than <see cref="Step"/> where it continues another.</summary>
    public int StepsOfRun { get; init; } = 1;

    /// <summary>Further measures of the batch by their name in metrics files; null for none.</summary>
    public IReadOnlyDictionary<string, double>? Values { get; init; }

    /// <summary>What the evaluation after this step measured; null where there was none.</summary>
    public EvaluationMeasures? Evaluation { get; init; }

    /// <summary>That the loss has grown far above its start, at the step where that is first plain; else null.</summary>
    public LossGrowth? Growth { get; init; }

    /// <summary>Peak memory so far of the process and of further ones of the engine.</summary>
    public long PeakMemoryBytes { get; init; }

    /// <summary>The time that the steps to come will take at the speed of those made.</summary>
    public TimeSpan Left => Elapsed / StepsOfRun * (Steps - Step);
}

/// <summary>What training gives.</summary>
/// <param name="State">Tokens, gates, losses and what resuming needs, after the last complete step.</param>
/// <param name="Cancelled">Whether the run was stopped before its last step.</param>
/// <param name="Elapsed">Time of the steps of this run.</param>
/// <param name="TrainedTokens">Real tokens that this run read, prompts included.</param>
/// <param name="PeakMemoryBytes">Peak memory of the process, see <see cref="PeakMemory"/>.</param>
public sealed record TrainingResult(TrainingState State, bool Cancelled, TimeSpan Elapsed, long TrainedTokens, long PeakMemoryBytes)
{
    /// <summary>The tokens and gates to keep: those of the best evaluation, or of the last step where nothing was evaluated.</summary>
    public AdapterParameters Parameters => State.Best?.Parameters ?? State.Parameters;

    /// <summary>What was measured with <see cref="Parameters"/>; null without an evaluation.</summary>
    public EvaluationMeasures? Evaluation => State.Best?.Measures;

    /// <summary>The loss of each step before its update.</summary>
    public IReadOnlyList<double> Losses => State.Losses;

    /// <summary>When the loss grew far above its start; null where it never did.</summary>
    public LossGrowth? Growth => LossGrowth.Find(Losses);

    /// <summary>Why there were fewer steps than asked for; null where all were made, or the run was cancelled.</summary>
    public EarlyStop? EarlyStop { get; init; }

    /// <summary>The loss of the last step before its update; NaN where no step was made.</summary>
    public double FinalLoss => State.Losses.Count == 0 ? double.NaN : State.Losses[^1];
}
