namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>What is made of the margin between the rewards of the preferred and the other answer.</summary>
public enum PreferenceLossKind
{
    /// <summary>Direct preference optimization (arXiv 2305.18290): -log sigmoid of the margin.</summary>
    Sigmoid,

    /// <summary>Identity preference optimization (arXiv 2310.12036): the square of how far the margin of the log-ratios is from 1 / (2 beta).</summary>
    Ipo,
}

/// <summary>The loss of preference training.</summary>
public sealed record PreferenceLossOptions
{
    /// <summary>What is made of the margin. Default <see cref="PreferenceLossKind.Sigmoid"/>.</summary>
    public PreferenceLossKind Kind { get; init; }

    /// <summary>How firmly the adapter is held to the reference, above 0: a reward is beta times the log-ratio to the reference. Default 0.1.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>The probability that a pair of the data is the wrong way round, 0 .. 0.5, for <see cref="PreferenceLossKind.Sigmoid"/> (conservative DPO). Default 0.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Checks every range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Check()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Beta);
        ArgumentOutOfRangeException.ThrowIfNegative(LabelSmoothing);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(LabelSmoothing, 0.5);
    }
}
