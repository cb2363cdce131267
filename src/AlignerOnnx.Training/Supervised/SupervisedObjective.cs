namespace AlignerOnnx.Training;

/// <summary>Supervised training: the mean negative log-likelihood of a batch's completion tokens, each with the same weight however rows fall into micro-batches.</summary>
public sealed class SupervisedObjective : ITrainingObjective
{
    private readonly IReadOnlyList<TrainingExample> _rows;
    private readonly TrainingOptions _options;
    private readonly BatchPlan _plan;

    /// <summary>Makes the objective.</summary>
    /// <param name="rows">The rows to learn, at least one, each with a completion token.</param>
    /// <param name="options">The recipe.</param>
    /// <exception cref="ArgumentException">There is no row, or one without a completion token.</exception>
    public SupervisedObjective(IReadOnlyList<TrainingExample> rows, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(options);
        if (rows.Count == 0)
        {
            throw new ArgumentException("Training needs at least one row.", nameof(rows));
        }
        if (rows.FirstOrDefault(row => row.TargetCount == 0) is TrainingExample bare)
        {
            throw new ArgumentException($"{bare.Place} has no completion token to learn.", nameof(rows));
        }
        _rows = rows;
        _options = options;
        _plan = options.PlanFor(rows.Count);
    }

    /// <inheritdoc/>
    public StepMeasures ComputeGradient(IGradientEngine engine, int step, AdapterParameters parameters, GradientSum gradient, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(gradient);
        TrainingExample[] rows = RowsOf(step);
        int targets = rows.Sum(row => row.TargetCount);
        double loss = 0;
        foreach (TrainingExample[] part in rows.Chunk(_options.MicroBatchSize ?? rows.Length))
        {
            GradientResult result = engine.ComputeGradients(TrainingBatch.Create(part, _options.PaddingId, targets, _options.Pack), parameters, cancellationToken);
            gradient.Add(result);
            loss += result.Loss;
        }
        return new StepMeasures(loss, rows.Sum(row => (long)row.InputIds.Length));
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> PlacesOf(int step) => [.. RowsOf(step).Select(row => row.Place)];

    private TrainingExample[] RowsOf(int step) => [.. _plan.RowsOf(step).Select(index => _rows[index])];
}
