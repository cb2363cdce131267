namespace AlignerOnnx.Training;

/// <summary>Two tokenised answers to one prompt.</summary>
/// <param name="Chosen">The prompt with the preferred answer.</param>
/// <param name="Rejected">The prompt with the other answer.</param>
public sealed record PreferencePair(TrainingExample Chosen, TrainingExample Rejected)
{
    /// <summary>Where the pair stands in its file.</summary>
    public string Place => Chosen.Place;

    /// <summary>Tokens of both, prompts included.</summary>
    public long TokenCount => Chosen.InputIds.Length + Rejected.InputIds.Length;

    /// <summary>Both answers of each pair, the preferred one first.</summary>
    /// <param name="pairs">The pairs.</param>
    public static IEnumerable<TrainingExample> AnswersOf(IEnumerable<PreferencePair> pairs) => pairs.SelectMany(pair => new[] { pair.Chosen, pair.Rejected });
}
