namespace AlignerOnnx.Training;

/// <summary>What on-device artifacts train, and how. The schedule and the clipping are inside the optimizer graph: no runtime has to know them.</summary>
public sealed record ArtifactOptions
{
    /// <summary>N, 1 or more. Default 1.</summary>
    public int Tokens { get; init; } = 1;

    /// <summary>The first adapted layer, 0 or more. Default 2.</summary>
    public int StartLayer { get; init; } = 2;

    /// <summary>Steps of the schedule, 1 or more; later steps have the rate of the last. Default 120.</summary>
    public int Steps { get; init; } = 120;

    /// <summary>The learning rate of each step. Null takes a constant 0.02.</summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>The optimizer's constants.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>The largest norm of a gradient, above 0; null (the default) does not clip.</summary>
    public double? MaximumGradientNorm { get; init; }

    /// <summary>The seed of the tokens. Default 1.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Whether activations are computed again rather than kept. Default false.</summary>
    public bool Recompute { get; init; }
}
