namespace AlignerOnnx.Training;

/// <summary>Rows whose answers are to stay as probable as by the reference: what the model knows, and harmless requests.</summary>
public sealed class KeptRows
{
    /// <summary>Takes the lists as they are.</summary>
    /// <param name="rows">The rows, at least one, each with a completion token.</param>
    /// <param name="logProbabilities">The log-probability of every completion token by the reference, row by row.</param>
    /// <exception cref="ArgumentException">There is no row, or the numbers do not fit.</exception>
    public KeptRows(IReadOnlyList<TrainingExample> rows, IReadOnlyList<float[]> logProbabilities)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(logProbabilities);
        if (rows.Count == 0 || rows.Count != logProbabilities.Count || rows.Zip(logProbabilities).Any(pair => pair.First.TargetCount == 0 || pair.First.TargetCount != pair.Second.Length))
        {
            throw new ArgumentException("Kept rows need a log-probability for each of one completion token or more.", nameof(logProbabilities));
        }
        Rows = rows;
        LogProbabilities = logProbabilities;
    }

    /// <summary>The rows.</summary>
    public IReadOnlyList<TrainingExample> Rows { get; }

    /// <summary>The log-probability of every completion token by the reference, row by row.</summary>
    public IReadOnlyList<float[]> LogProbabilities { get; }

    /// <summary>Completion tokens of all rows.</summary>
    public int TargetCount => Rows.Sum(row => row.TargetCount);

    /// <summary>Some of the rows.</summary>
    /// <param name="indices">Which.</param>
    internal KeptRows Take(IReadOnlyList<int> indices) => new([.. indices.Select(index => Rows[index])], [.. indices.Select(index => LogProbabilities[index])]);

    /// <summary>At most so many of the rows, evenly from first to last.</summary>
    internal KeptRows Spread(int most) => Rows.Count <= most ? this : Take([.. Enumerable.Range(0, most).Select(i => (int)((long)i * Rows.Count / most))]);

    /// <summary>The rows in so many parts of about the same size; null for a part without one.</summary>
    internal IReadOnlyList<KeptRows?> InParts(int parts) => [.. Enumerable.Range(0, parts).Select(part =>
        Enumerable.Range(0, Rows.Count).Where(row => row % parts == part).ToArray() is { Length: > 0 } rows ? Take(rows) : null)];
}
