namespace AlignerOnnx.Training;

/// <summary>The constants of <see cref="AdamW"/>; the defaults are those of <c>torch.optim.AdamW</c> but for the weight decay.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the mean of gradients, 0 .. below 1. Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients, 0 .. below 1. Default 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment, above 0. Default 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, 0 or more. Default 0.02, the Aligner paper's.</summary>
    public double WeightDecay { get; init; } = 0.02;

    internal void Check()
    {
        RequireBelowOne(Beta1, nameof(Beta1));
        RequireBelowOne(Beta2, nameof(Beta2));
        Require(Epsilon > 0 && double.IsFinite(Epsilon), nameof(Epsilon), Epsilon, "above 0");
        Require(WeightDecay >= 0 && double.IsFinite(WeightDecay), nameof(WeightDecay), WeightDecay, "0 or more");
    }

    private static void RequireBelowOne(double value, string name) => Require(value is >= 0 and < 1, name, value, "0 .. below 1");

    private static void Require(bool holds, string name, double value, string range)
    {
        if (!holds)
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}.");
        }
    }
}

/// <summary>
/// AdamW (Loshchilov and Hutter, 2019) as <c>torch.optim.AdamW</c> computes it: p *= 1 - lr * decay, then p -= lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
/// Parameters are float32; moments and arithmetic are double, so the only rounding is that of the parameter.
/// </summary>
public sealed class AdamW
{
    private readonly AdamWOptions _options;
    private readonly float[][] _parameters;
    private readonly double[][] _firstMoments;
    private readonly double[][] _secondMoments;

    /// <summary>Makes an optimizer that updates the given arrays in place.</summary>
    /// <param name="options">The constants.</param>
    /// <param name="parameters">The arrays to train, any lengths.</param>
    /// <exception cref="ArgumentOutOfRangeException">A constant is outside its range.</exception>
    public AdamW(AdamWOptions options, params float[][] parameters)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(parameters);
        options.Check();
        _options = options;
        _parameters = parameters;
        _firstMoments = [.. parameters.Select(p => new double[p.Length])];
        _secondMoments = [.. parameters.Select(p => new double[p.Length])];
    }

    /// <summary>How many updates were made.</summary>
    public int StepCount { get; private set; }

    /// <summary>Makes one update.</summary>
    /// <param name="learningRate">The step size, 0 or more.</param>
    /// <param name="gradients">One array for each parameter, of its length.</param>
    /// <exception cref="ArgumentException">The gradients do not fit the parameters.</exception>
    public void Step(double learningRate, params float[][] gradients)
    {
        ArgumentNullException.ThrowIfNull(gradients);
        RequireFit(gradients);
        StepCount++;
        double firstCorrection = 1 - Math.Pow(_options.Beta1, StepCount);
        double secondCorrection = 1 - Math.Pow(_options.Beta2, StepCount);
        for (int i = 0; i < _parameters.Length; i++)
        {
            Update(_parameters[i], gradients[i], _firstMoments[i], _secondMoments[i], learningRate, firstCorrection, secondCorrection);
        }
    }

    /// <summary>Copies the state that the next update depends on, the parameters excepted.</summary>
    /// <returns>The copy.</returns>
    public AdamWState Snapshot() => new(StepCount, Copy(_firstMoments), Copy(_secondMoments));

    /// <summary>Continues from a state.</summary>
    /// <param name="state">A state of an optimizer with the same parameter lengths.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public void Restore(AdamWState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        CopyInto(state.FirstMoments, _firstMoments);
        CopyInto(state.SecondMoments, _secondMoments);
        StepCount = state.StepCount;
    }

    private void Update(Span<float> parameter, ReadOnlySpan<float> gradient, Span<double> first, Span<double> second, double learningRate, double firstCorrection, double secondCorrection)
    {
        for (int j = 0; j < parameter.Length; j++)
        {
            double g = gradient[j];
            first[j] = _options.Beta1 * first[j] + (1 - _options.Beta1) * g;
            second[j] = _options.Beta2 * second[j] + (1 - _options.Beta2) * g * g;
            double root = Math.Sqrt(second[j] / secondCorrection) + _options.Epsilon;
            double decayed = parameter[j] * (1 - learningRate * _options.WeightDecay);
            parameter[j] = (float)(decayed - learningRate * (first[j] / firstCorrection) / root);
        }
    }

    private void RequireFit(float[][] gradients)
    {
        if (gradients.Length != _parameters.Length || !gradients.Zip(_parameters).All(pair => pair.First.Length == pair.Second.Length))
        {
            throw new ArgumentException($"The gradients have lengths [{string.Join(", ", gradients.Select(g => g.Length))}]; the parameters have [{string.Join(", ", _parameters.Select(p => p.Length))}].", nameof(gradients));
        }
    }

    private static double[][] Copy(double[][] arrays) => [.. arrays.Select(array => (double[])array.Clone())];

    private static void CopyInto(IReadOnlyList<double[]> source, double[][] target)
    {
        if (source.Count != target.Length || !source.Zip(target).All(pair => pair.First.Length == pair.Second.Length))
        {
            throw new ArgumentException("The optimizer state was made for parameters of other lengths.");
        }
        for (int i = 0; i < target.Length; i++)
        {
            source[i].CopyTo(target[i], 0);
        }
    }
}

/// <summary>What an <see cref="AdamW"/> optimizer remembers between updates.</summary>
/// <param name="StepCount">Updates made, 0 or more.</param>
/// <param name="FirstMoments">Running mean of each gradient, one array for each parameter.</param>
/// <param name="SecondMoments">Running mean of each squared gradient, one array for each parameter.</param>
public sealed record AdamWState(int StepCount, IReadOnlyList<double[]> FirstMoments, IReadOnlyList<double[]> SecondMoments);
