using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>The recipe of training, whatever its objective. The defaults train the embedded model in seconds and follow the Aligner paper's weight decay and start layer.</summary>
public sealed record TrainingOptions
{
    private const double MeasuredWidth = 128;

    /// <summary>The defaults of supervised training, for a model whose hidden size is 128; <see cref="ForWidth"/> gives those of others: a rate of 0.044 at 576 (SmolLM2), of 0.0063 at 4096, where the method's authors end at 0.0045. Measured: docs/training.md.</summary>
    public static TrainingOptions Supervised { get; } = new() { Steps = 250, LearningRate = 0.2, WidthExponent = 1, WarmUpSteps = 10, Schedule = LearningRateShape.Linear };

    /// <summary>Updates, 1 or more. Default 120.</summary>
    public int Steps { get; init; } = 120;

    /// <summary>Rows of an update, 1 or more; at most all rows of the data set, once. Default 16.</summary>
    public int BatchSize { get; init; } = 16;

    /// <summary>Rows that the graph sees at once, 1 or more; gradients of an update are summed over its micro-batches, which gives the same update in less memory.
    /// Null (the default) is the whole batch.</summary>
    public int? MicroBatchSize { get; init; }

    /// <summary>Whether short rows of a micro-batch share a line, which saves the work on padding; the loss is the same. Default false.</summary>
    public bool Pack { get; init; }

    /// <summary>The highest learning rate, above 0. Default 0.02.</summary>
    public double LearningRate { get; init; } = 0.02;

    /// <summary>By which power of the hidden size <see cref="ForWidth"/> lowers the rate, 0 or more. Default 0: not at all.</summary>
    public double WidthExponent { get; init; }

    /// <summary>Steps in which the learning rate grows to its peak, 0 .. <see cref="Steps"/>. Default 0.</summary>
    public int WarmUpSteps { get; init; }

    /// <summary>How the learning rate moves after the warm-up. Default <see cref="LearningRateShape.Constant"/>.</summary>
    public LearningRateShape Schedule { get; init; } = LearningRateShape.Constant;

    /// <summary>The optimizer's constants; weight decay 0.02 by default.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>The largest norm of a gradient, above 0; null (the default) does not clip.</summary>
    public double? MaximumGradientNorm { get; init; }

    /// <summary>How tokens take part in attention. Default <see cref="AttentionReading.Gated"/>, the paper's. It is fixed when the gradient graph is built; the trainer itself does not read it.</summary>
    public AttentionReading Attention { get; init; }

    /// <summary>The first layer that is adapted, 0 or more; 0 with <see cref="AttentionReading.Concat"/>, whatever is said here. Default 2, the paper's, or the last layer of a model that has fewer. It is fixed when the gradient graph is built; the trainer itself does not read it.</summary>
    public int StartLayer { get; init; } = Architecture.StandardStartLayer;

    /// <summary>Tokens of a new adapter, 1 or more. Default 1.</summary>
    public int Tokens { get; init; } = 1;

    /// <summary>The seed of tokens and order. Default 0.</summary>
    public ulong Seed { get; init; }

    /// <summary>The standard deviation of a new adapter's tokens, above 0; the paper's is 1. Null (the default) takes <see cref="AdapterParameters.StandardScale"/>.</summary>
    public double? TokenScale { get; init; }

    /// <summary>Steps between two evaluations, 0 or more; 0 (the default) evaluates after the last step only. Of several evaluations the best one's parameters are the result.</summary>
    public int EvaluationInterval { get; init; }

    /// <summary>Evaluations in a row without a new best one after which training stops, 1 or more; null (the default) never stops early, but while the loss is far above its start (<see cref="LossGrowth"/>), after three.</summary>
    public int? Patience { get; init; }

    /// <summary>The order of rows. Default <see cref="BatchOrder.Shuffled"/>.</summary>
    public BatchOrder Order { get; init; } = BatchOrder.Shuffled;

    /// <summary>The token id of padding, 0 or more; masked, so its value has no effect. Default 0.</summary>
    public int PaddingId { get; init; }

    /// <summary>The same with the rate that suits another hidden size d than 128: the rate times (128 / d) to the power of <see cref="WidthExponent"/>.</summary>
    /// <param name="hiddenSize">d, 1 or more.</param>
    public TrainingOptions ForWidth(long hiddenSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        return this with { LearningRate = RateForWidth(LearningRate, hiddenSize, WidthExponent) };
    }

    /// <summary>Checks every range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Steps, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MicroBatchSize ?? 1, 1, nameof(MicroBatchSize));
        ArgumentOutOfRangeException.ThrowIfNegative(StartLayer);
        ArgumentOutOfRangeException.ThrowIfLessThan(Tokens, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(PaddingId);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(TokenScale ?? 1, nameof(TokenScale));
        ArgumentOutOfRangeException.ThrowIfNegative(WidthExponent);
        ArgumentOutOfRangeException.ThrowIfNegative(EvaluationInterval);
        ArgumentOutOfRangeException.ThrowIfLessThan(Patience ?? 1, 1, nameof(Patience));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaximumGradientNorm ?? 1, nameof(MaximumGradientNorm));
        ArgumentNullException.ThrowIfNull(Optimizer);
        Optimizer.Check();
        _ = MakeSchedule();
    }

    internal static double RateForWidth(double rate, long hiddenSize, double exponent) => Math.Round(rate * Math.Pow(MeasuredWidth / hiddenSize, exponent), 6);

    /// <summary>Whether an evaluation follows a step; the last step always has one.</summary>
    internal bool EvaluatesAfter(int step) => step == Steps || (EvaluationInterval > 0 && step % EvaluationInterval == 0);

    internal BatchPlan PlanFor(int rows) => new(rows, BatchSize, Order, Seed);

    internal LearningRateSchedule MakeSchedule() => new(Schedule, LearningRate, WarmUpSteps, Steps);
}
