namespace AlignerOnnx.Training;

/// <summary>How the learning rate moves after the warm-up.</summary>
public enum LearningRateShape
{
    /// <summary>It stays at its peak.</summary>
    Constant,

    /// <summary>It falls on a line from the peak to zero.</summary>
    Linear,

    /// <summary>It falls on half a cosine from the peak to zero.</summary>
    Cosine,
}

/// <summary>
/// The learning rate of each step. Warm-up step s (0-based) of w has peak * (s + 1) / w: the first step already moves, and the last warm-up step has the
/// peak. The remaining steps r = 0 .. n - 1 have peak, peak * (1 - r / n) or peak * (1 + cos(pi * r / n)) / 2.
/// </summary>
public sealed class LearningRateSchedule
{
    private readonly LearningRateShape _shape;
    private readonly int _warmUpSteps;
    private readonly int _totalSteps;

    /// <summary>Makes a schedule.</summary>
    /// <param name="shape">What happens after the warm-up.</param>
    /// <param name="peak">The highest rate, above 0.</param>
    /// <param name="warmUpSteps">Steps of warm-up, 0 .. <paramref name="totalSteps"/>.</param>
    /// <param name="totalSteps">All steps, 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public LearningRateSchedule(LearningRateShape shape, double peak, int warmUpSteps, int totalSteps)
    {
        if (!(peak > 0 && double.IsFinite(peak)))
        {
            throw new ArgumentOutOfRangeException(nameof(peak), peak, "The learning rate must be above 0 and finite.");
        }
        ArgumentOutOfRangeException.ThrowIfLessThan(totalSteps, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(warmUpSteps);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(warmUpSteps, totalSteps);
        _shape = shape;
        Peak = peak;
        _warmUpSteps = warmUpSteps;
        _totalSteps = totalSteps;
    }

    /// <summary>The highest rate.</summary>
    public double Peak { get; }

    /// <summary>The same with rates that suit another hidden size d than 128: times (128 / d) to the power of <paramref name="exponent"/>, as <see cref="TrainingOptions.ForWidth"/>.</summary>
    /// <param name="hiddenSize">d, 1 or more.</param>
    /// <param name="exponent">The power, 0 or more.</param>
    public LearningRateSchedule ForWidth(long hiddenSize, double exponent)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        return new LearningRateSchedule(_shape, TrainingOptions.RateForWidth(Peak, hiddenSize, exponent), _warmUpSteps, _totalSteps);
    }

    /// <summary>The rate of one step.</summary>
    /// <param name="step">0-based; steps past the end have the rate of the end.</param>
    /// <returns>The rate, 0 .. the peak.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="step"/> is negative.</exception>
    public double At(int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (step < _warmUpSteps)
        {
            return Peak * (step + 1) / _warmUpSteps;
        }
        // With nothing but warm-up there is no decay to place a step on.
        double progress = _totalSteps == _warmUpSteps ? 0 : Math.Min(1, (double)(step - _warmUpSteps) / (_totalSteps - _warmUpSteps));
        return _shape switch
        {
            LearningRateShape.Linear => Peak * (1 - progress),
            LearningRateShape.Cosine => Peak * (1 + Math.Cos(Math.PI * progress)) / 2,
            _ => Peak,
        };
    }
}
