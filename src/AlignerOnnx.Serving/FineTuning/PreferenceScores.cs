using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>How an adapter, or the base model, ranks pairs of answers.</summary>
/// <param name="Accuracy">Share of pairs whose preferred answer is the more probable one.</param>
/// <param name="GainAccuracy">Share of pairs whose preferred answer gained on the other one, against the base model; null for the base model.</param>
/// <param name="Margin">Mean gain of the preferred answer on the other one, natural logarithm of their ratio of probabilities against the base model; null for the base model.</param>
public sealed record PreferenceScores(double Accuracy, double? GainAccuracy, double? Margin)
{
    /// <summary>Scores the log-probabilities of answers.</summary>
    /// <param name="logProbabilities">[2 p], the preferred answer of each pair first.</param>
    /// <param name="reference">Those of the base model; null where it is what is scored.</param>
    internal static PreferenceScores Of(IReadOnlyList<float> logProbabilities, IReadOnlyList<float>? reference)
    {
        double accuracy = PreferenceMeasures.ShareOfPreferred([.. logProbabilities.Select(value => (double)value)]);
        double[]? gains = reference is null ? null : [.. logProbabilities.Zip(reference, (value, before) => (double)value - before)];
        return new PreferenceScores(accuracy, gains is null ? null : PreferenceMeasures.ShareOfPreferred(gains), gains?.Chunk(2).Average(pair => pair[0] - pair[1]));
    }
}
