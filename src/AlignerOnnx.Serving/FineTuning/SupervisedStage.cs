using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Supervised training on the preferred answers of pairs, which goes before preference training: that starts from its adapter.</summary>
public sealed record SupervisedStage
{
    /// <summary>The stage's recipe.</summary>
    public required TrainingOptions Options { get; init; }

    /// <summary>Which tokens are learnt. Default the answers'.</summary>
    public LossOn LossOn { get; init; } = LossOn.Answers;

    /// <summary>Whether the learning rate of <see cref="Options"/> is for a hidden size of 128 and is to be fitted to the model's (<see cref="TrainingOptions.ForWidth"/>). Default false.</summary>
    public bool FitLearningRate { get; init; }

    /// <summary>A stage with a rate, schedule and batch size of its own; in all else, the adapter's form too, it is as the preference training that follows.</summary>
    /// <param name="preference">The options of the preference training.</param>
    /// <param name="supervised">Of these rate, schedule, warm-up and batch size are taken.</param>
    /// <param name="steps">Updates, 1 or more.</param>
    public static SupervisedStage Before(TrainingOptions preference, TrainingOptions supervised, int steps)
    {
        ArgumentNullException.ThrowIfNull(preference);
        ArgumentNullException.ThrowIfNull(supervised);
        return new SupervisedStage
        {
            Options = preference with
            {
                Steps = steps,
                BatchSize = supervised.BatchSize,
                LearningRate = supervised.LearningRate,
                WidthExponent = supervised.WidthExponent,
                Schedule = supervised.Schedule,
                WarmUpSteps = Math.Min(supervised.WarmUpSteps, steps),
                EvaluationInterval = Math.Max(1, steps / 10),
            },
        };
    }
}
