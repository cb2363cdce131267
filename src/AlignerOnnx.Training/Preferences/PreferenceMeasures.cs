using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>How far pairs are the right way round. A reward is beta times the log-ratio of an answer to the reference.</summary>
/// <param name="ChosenReward">Mean reward of the preferred answers.</param>
/// <param name="RejectedReward">Mean reward of the other answers.</param>
/// <param name="Accuracy">Share of pairs whose preferred answer has the higher reward.</param>
public sealed record PreferenceMeasures(double ChosenReward, double RejectedReward, double Accuracy)
{
    /// <summary>The name of <see cref="Accuracy"/> in metrics.</summary>
    public const string AccuracyName = "preference_accuracy";

    /// <summary>The name of <see cref="Margin"/> in metrics.</summary>
    public const string MarginName = "margin";

    /// <summary>Mean difference of the rewards of a pair.</summary>
    public double Margin => ChosenReward - RejectedReward;

    /// <summary>Measures rewards.</summary>
    /// <param name="rewards">[2 p], the preferred answer of each pair first; at least one pair.</param>
    public static PreferenceMeasures Of(IReadOnlyList<double> rewards)
    {
        (double Chosen, double Rejected)[] pairs = [.. rewards.Chunk(2).Select(pair => (pair[0], pair[1]))];
        return new PreferenceMeasures(pairs.Average(pair => pair.Chosen), pairs.Average(pair => pair.Rejected), pairs.Count(pair => pair.Chosen > pair.Rejected) / (double)pairs.Length);
    }

    /// <summary>The loss of one pair, as the graph computes it.</summary>
    /// <param name="margin">The difference of the pair's rewards.</param>
    /// <param name="options">The loss.</param>
    internal static double Loss(double margin, PreferenceLossOptions options) => options.Kind == PreferenceLossKind.Ipo
        ? Math.Pow((margin - 0.5) / options.Beta, 2)
        : ((1 - options.LabelSmoothing) * Softplus(-margin)) + (options.LabelSmoothing * Softplus(margin));

    /// <summary>By their names in metrics.</summary>
    internal IReadOnlyDictionary<string, double> Values => new Dictionary<string, double>
    {
        ["reward_chosen"] = ChosenReward,
        ["reward_rejected"] = RejectedReward,
        [MarginName] = Margin,
        [AccuracyName] = Accuracy,
    };

    private static double Softplus(double value) => Math.Max(value, 0) + Math.Log(1 + Math.Exp(-Math.Abs(value)));
}
