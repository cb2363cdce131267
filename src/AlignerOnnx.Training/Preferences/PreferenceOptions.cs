using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>What preference training minimises.</summary>
public sealed record PreferenceOptions
{
    /// <summary>The loss over pairs.</summary>
    public PreferenceLossOptions Loss { get; init; } = new();

    /// <summary>The weight of the supervised term: the mean negative log-likelihood of the preferred answers' tokens, 0 or more. Default 0.</summary>
    public double SupervisedWeight { get; init; }

    /// <summary>The weight of kept rows, 0 or more: of the mean over their tokens of half the square of what a log-probability moved from the reference's. Default 1; without kept rows it has no effect.</summary>
    public double KeptWeight { get; init; } = 1;

    /// <summary>Checks every range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Check()
    {
        ArgumentNullException.ThrowIfNull(Loss);
        Loss.Check();
        ArgumentOutOfRangeException.ThrowIfNegative(SupervisedWeight);
        ArgumentOutOfRangeException.ThrowIfNegative(KeptWeight);
    }
}
