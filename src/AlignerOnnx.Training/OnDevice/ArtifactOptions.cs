using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>What on-device artifacts train, and how. The schedule and the clipping are inside the optimizer graph: no runtime has to know them.</summary>
public sealed record ArtifactOptions
{
    /// <summary>N, 1 or more. Default 1.</summary>
    public int Tokens { get; init; } = 1;

    /// <summary>The first adapted layer, 0 or more. Default 2.</summary>
    public int StartLayer { get; init; } = Architecture.StandardStartLayer;

    /// <summary>How tokens take part in attention. Default <see cref="AttentionReading.Gated"/>; <see cref="AttentionReading.Concat"/> takes start layer 0 alone, and no gates.</summary>
    public AttentionReading Attention { get; init; }

    /// <summary>
    /// The loss over pairs of answers that the training graph has; null (the default) is the cross entropy of the targets. A step then takes the inputs
    /// <see cref="GradientGraphNames.PreferenceInputs"/> too. The evaluation graph has the cross entropy either way.
    /// </summary>
    public PreferenceLossOptions? Preference { get; init; }

    /// <summary>Steps of the schedule, 1 or more; later steps have the rate of the last. Default 120.</summary>
    public int Steps { get; init; } = 120;

    /// <summary>The learning rate of each step. Null takes a constant 0.02.</summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>Whether the frozen weights stand inside both graphs rather than in data files beside them: for runtimes that get graphs as bytes, as in a browser. Default false.</summary>
    public bool Inline { get; init; }

    /// <summary>Updates that the start's optimizer made before the schedule begins, 0 or more. Default 0: a start goes on where its own schedule stood.</summary>
    public int StepsBefore { get; init; }

    internal LearningRateSchedule EffectiveSchedule => Schedule ?? new LearningRateSchedule(LearningRateShape.Constant, 0.02, 0, Steps);

    /// <summary>The optimizer's constants.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>The largest norm of a gradient, above 0; null (the default) does not clip.</summary>
    public double? MaximumGradientNorm { get; init; }

    /// <summary>The seed of the tokens. Default 1.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What the checkpoint starts from; its shape must be that of <see cref="Tokens"/> and <see cref="StartLayer"/>. Null starts from new tokens and zero gates.</summary>
    public OrtCheckpoint? Start { get; init; }

    /// <summary>Whether activations are computed again rather than kept. Default false.</summary>
    public bool Recompute { get; init; }

    /// <summary>What is trained, in the order of the training graph's inputs.</summary>
    internal IReadOnlyList<string> Parameters => Attention == AttentionReading.Gated ? [GradientGraphNames.Tokens, GradientGraphNames.Gates] : [GradientGraphNames.Tokens];

    /// <summary>The outputs of a training step, in its order.</summary>
    internal IReadOnlyList<string> TrainingOutputs =>
    [
        GradientGraphNames.Loss,
        .. Preference is null ? (IEnumerable<string>)[] : [GradientGraphNames.Rewards],
        GradientGraphNames.TargetLogProbabilities,
        GradientGraphNames.TokensGradient,
        .. Attention == AttentionReading.Gated ? (IEnumerable<string>)[GradientGraphNames.GatesGradient] : [],
    ];

    /// <summary>What the trainer does with a recipe.</summary>
    /// <param name="options">The recipe; tokens, attention and start layer are not taken from it.</param>
    /// <param name="attention">How tokens take part in attention.</param>
    /// <param name="startLayer">The first adapted layer.</param>
    /// <param name="tokens">N.</param>
    /// <param name="recompute">Whether activations are computed again.</param>
    public static ArtifactOptions Of(TrainingOptions options, AttentionReading attention, int startLayer, int tokens, bool recompute)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new ArtifactOptions
        {
            Tokens = tokens,
            Attention = attention,
            StartLayer = startLayer,
            Steps = options.Steps,
            Schedule = options.MakeSchedule(),
            Optimizer = options.Optimizer,
            MaximumGradientNorm = options.MaximumGradientNorm,
            Seed = options.Seed,
            Recompute = recompute,
        };
    }
}
