namespace AlignerOnnx.Training;

/// <summary>Preference training: the mean loss over a batch's pairs, and the supervised term over its preferred answers, however pairs fall into micro-batches.</summary>
public sealed class PreferenceObjective : ITrainingObjective
{
    // Steps of a smaller sum of learning rates may be lost in the rounding of float32.
    private const double LeastMovement = 1e-4;

    private readonly ReferencedPairs _pairs;
    private readonly TrainingOptions _options;
    private readonly PreferenceOptions _preference;
    private readonly BatchPlan _plan;
    private readonly KeptRows? _kept;
    private readonly BatchPlan? _keptPlan;
    private bool _moved;

    /// <summary>Makes the objective.</summary>
    /// <param name="pairs">The pairs to learn, each of whose answers has a completion token.</param>
    /// <param name="options">The recipe; its batch sizes count pairs.</param>
    /// <param name="preference">The loss.</param>
    /// <param name="kept">Rows to keep, of which each update takes as many as pairs; null for none.</param>
    /// <exception cref="ArgumentException">An answer has no completion token.</exception>
    public PreferenceObjective(ReferencedPairs pairs, TrainingOptions options, PreferenceOptions preference, KeptRows? kept = null)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(preference);
        preference.Check();
        if (pairs.Pairs.FirstOrDefault(pair => pair.Chosen.TargetCount == 0 || pair.Rejected.TargetCount == 0) is PreferencePair bare)
        {
            throw new ArgumentException($"{bare.Place} has an answer without a token to learn.", nameof(pairs));
        }
        _pairs = pairs;
        _options = options;
        _preference = preference;
        _plan = options.PlanFor(pairs.Pairs.Count);
        _kept = kept;
        _keptPlan = kept is null ? null : (options with { BatchSize = _plan.BatchSize }).PlanFor(kept.Rows.Count);
    }

    /// <inheritdoc/>
    /// <exception cref="PreferenceStalledException">After a step all answers are still as probable as by the reference.</exception>
    public StepMeasures ComputeGradient(IGradientEngine engine, int step, AdapterParameters parameters, GradientSum gradient, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(gradient);
        ReferencedPairs whole = _pairs.Take(_plan.RowsOf(step));
        List<double> rewards = [];
        List<double> references = [];
        double loss = 0;
        KeptRows? kept = _kept?.Take(_keptPlan!.RowsOf(step));
        ReferencedPairs[] parts = [.. whole.InParts(_options.MicroBatchSize ?? whole.Pairs.Count)];
        foreach ((ReferencedPairs part, KeptRows? keptPart) in parts.Zip(kept?.InParts(parts.Length) ?? new KeptRows?[parts.Length]))
        {
            TrainingBatch batch = PreferenceBatch.Create(part, _preference, whole, keptPart, kept?.TargetCount, _options.PaddingId, _options.Pack);
            GradientResult result = engine.ComputeGradients(batch, parameters, cancellationToken);
            gradient.Add(result);
            loss += result.Loss;
            rewards.AddRange(result.Rewards!.Select(reward => (double)reward));
            references.AddRange(batch.Pairs!.ReferenceLogProbabilities.Select(reference => (double)reference));
        }
        RequireMovement(step, rewards, references);
        long tokens = whole.Pairs.Sum(pair => pair.TokenCount) + (kept?.Rows.Sum(row => (long)row.InputIds.Length) ?? 0);
        return new StepMeasures(loss, tokens, PreferenceMeasures.Of(rewards, references, _preference.Loss.Beta).Values);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> PlacesOf(int step) => [.. _plan.RowsOf(step).Select(index => _pairs.Pairs[index].Place)];

    /// <summary>A policy that stays its own reference learns nothing and looks as if it trained: that is said at once, not after a night.</summary>
    private void RequireMovement(int step, List<double> rewards, List<double> references)
    {
        if (_moved || step == 0)
        {
            return;
        }
        LearningRateSchedule schedule = _options.MakeSchedule();
        double travelled = Enumerable.Range(0, step).Sum(schedule.At);
        // The two are computed by different graphs; each log-probability is rounded to a part in ten million, and an answer is a sum of them.
        _moved = rewards.Zip(references).Any(pair => Math.Abs(pair.First) > _preference.Loss.Beta * 1e-6 * Math.Max(1, Math.Abs(pair.Second)));
        if (!_moved && travelled >= LeastMovement)
        {
            throw new PreferenceStalledException(step, travelled);
        }
    }
}
