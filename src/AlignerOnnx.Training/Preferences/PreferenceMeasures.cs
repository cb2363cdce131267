using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>How far pairs are the right way round. A reward is beta times the log-ratio of an answer to the reference.</summary>
/// <param name="Accuracy">Share of pairs whose preferred answer is the more probable one, whatever the reference says.</param>
/// <param name="RewardAccuracy">Share of pairs whose preferred answer has the higher reward: it gained on the other one.</param>
/// <param name="ChosenReward">Mean reward of the preferred answers.</param>
/// <param name="RejectedReward">Mean reward of the other answers.</param>
public sealed record PreferenceMeasures(double Accuracy, double RewardAccuracy, double ChosenReward, double RejectedReward)
{
    /// <summary>The name of <see cref="Accuracy"/> in metrics.</summary>
    public const string AccuracyName = "preference_accuracy";

    /// <summary>The name of <see cref="RewardAccuracy"/> in metrics.</summary>
    public const string RewardAccuracyName = "reward_accuracy";

    /// <summary>The name of <see cref="Margin"/> in metrics.</summary>
    public const string MarginName = "margin";

    /// <summary>Mean difference of the rewards of a pair.</summary>
    public double Margin => ChosenReward - RejectedReward;

    /// <summary>By their names in metrics.</summary>
    internal IReadOnlyDictionary<string, double> Values => new Dictionary<string, double>
    {
        [AccuracyName] = Accuracy,
        [RewardAccuracyName] = RewardAccuracy,
        ["reward_chosen"] = ChosenReward,
        ["reward_rejected"] = RejectedReward,
        [MarginName] = Margin,
    };

    /// <summary>Measures answers.</summary>
    /// <param name="rewards">[2 p], the preferred answer of each pair first; at least one pair.</param>
    /// <param name="references">[2 p]: the log-probabilities by the reference that the rewards are relative to.</param>
    /// <param name="beta">Reward of a log-ratio of 1.</param>
    public static PreferenceMeasures Of(IReadOnlyList<double> rewards, IReadOnlyList<double> references, double beta)
    {
        double[] policy = [.. rewards.Zip(references, (reward, reference) => (reward / beta) + reference)];
        return new PreferenceMeasures(ShareOfPreferred(policy), ShareOfPreferred(rewards), rewards.Where((_, row) => row % 2 == 0).Average(), rewards.Where((_, row) => row % 2 == 1).Average());
    }

    /// <summary>Share of pairs whose first value is the higher one.</summary>
    /// <param name="values">[2 p], at least one pair.</param>
    public static double ShareOfPreferred(IReadOnlyList<double> values) => values.Chunk(2).Average(pair => pair[0] > pair[1] ? 1.0 : 0);

    /// <summary>The loss of one pair, as the graph computes it.</summary>
    /// <param name="margin">The difference of the pair's rewards.</param>
    /// <param name="options">The loss.</param>
    internal static double Loss(double margin, PreferenceLossOptions options) => options.Kind == PreferenceLossKind.Ipo
        ? Math.Pow((margin - 0.5) / options.Beta, 2)
        : ((1 - options.LabelSmoothing) * Softplus(-margin)) + (options.LabelSmoothing * Softplus(margin));

    private static double Softplus(double value) => Math.Max(value, 0) + Math.Log(1 + Math.Exp(-Math.Abs(value)));
}
