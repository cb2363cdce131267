namespace AlignerOnnx.Training;

/// <summary>Pairs with what the reference thinks of them.</summary>
public sealed class ReferencedPairs
{
    /// <summary>Takes the lists as they are.</summary>
    /// <param name="pairs">The pairs, at least one.</param>
    /// <param name="logProbabilities">[2 p]: the summed log-probability of each answer by the reference, the preferred one of a pair first.</param>
    /// <exception cref="ArgumentException">There is no pair, or the numbers do not fit.</exception>
    public ReferencedPairs(IReadOnlyList<PreferencePair> pairs, IReadOnlyList<float> logProbabilities)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        ArgumentNullException.ThrowIfNull(logProbabilities);
        if (pairs.Count == 0 || logProbabilities.Count != 2 * pairs.Count)
        {
            throw new ArgumentException($"{logProbabilities.Count} log-probabilities for {pairs.Count} pairs; expected two for each of one pair or more.", nameof(logProbabilities));
        }
        Pairs = pairs;
        LogProbabilities = logProbabilities;
    }

    /// <summary>The pairs.</summary>
    public IReadOnlyList<PreferencePair> Pairs { get; }

    /// <summary>[2 p]: the summed log-probability of each answer by the reference.</summary>
    public IReadOnlyList<float> LogProbabilities { get; }

    /// <summary>Some of the pairs.</summary>
    /// <param name="indices">Which.</param>
    internal ReferencedPairs Take(IReadOnlyList<int> indices) =>
        new([.. indices.Select(index => Pairs[index])], [.. indices.SelectMany(index => new[] { LogProbabilities[2 * index], LogProbabilities[(2 * index) + 1] })]);

    /// <summary>The pairs in parts of at most so many.</summary>
    internal IEnumerable<ReferencedPairs> InParts(int size) => Enumerable.Range(0, Pairs.Count).Chunk(size).Select(Take);
}
