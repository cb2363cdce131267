namespace AlignerOnnx.Training;

/// <summary>The numbers that are trained: tokens [n, d] and gates [L', H], row by row, float32.</summary>
public sealed class AdapterParameters
{
    private const double MeasuredWidth = 128;

    /// <summary>Takes the arrays as they are; they are not copied.</summary>
    /// <param name="shape">Their shape.</param>
    /// <param name="tokens">[n, d], finite.</param>
    /// <param name="gates">[L', H], finite.</param>
    /// <exception cref="ArgumentException">An array has another length, or holds a value that is not finite.</exception>
    public AdapterParameters(AdapterShape shape, float[] tokens, float[] gates)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(gates);
        if (tokens.Length != shape.TokenValues || gates.Length != shape.GateValues)
        {
            throw new ArgumentException($"{tokens.Length} token values and {gates.Length} gate values do not fit {shape}.");
        }
        if (!tokens.All(float.IsFinite) || !gates.All(float.IsFinite))
        {
            throw new ArgumentException("Tokens and gates must be finite.");
        }
        Shape = shape;
        Tokens = tokens;
        Gates = gates;
    }

    /// <summary>The shape of both arrays.</summary>
    public AdapterShape Shape { get; }

    /// <summary>The tokens [n, d].</summary>
    public float[] Tokens { get; }

    /// <summary>The gates [L', H].</summary>
    public float[] Gates { get; }

    /// <summary>The start of training from nothing: tokens of N(0, scale^2), gates zero, so that the model starts as the base model.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="seed">The seed of the tokens, drawn in order from <see cref="DeterministicRandom"/>.</param>
    /// <param name="scale">The tokens' standard deviation, above 0; null (the default) takes <see cref="StandardScale"/>.</param>
    /// <returns>New parameters.</returns>
    public static AdapterParameters Initial(AdapterShape shape, ulong seed, double? scale = null)
    {
        ArgumentNullException.ThrowIfNull(shape);
        DeterministicRandom random = new(seed);
        double deviation = scale ?? StandardScale(shape);
        float[] tokens = new float[shape.TokenValues];
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = (float)(deviation * random.NextNormal());
        }
        return new AdapterParameters(shape, tokens, new float[shape.GateValues]);
    }

    /// <summary>
    /// sqrt(128 / d), at most 1: the default learning rate falls in the same way, so that a step turns the tokens by the same angle at every hidden size d (measured on 128 and 576: docs/training.md).
    /// 1 for concat attention, whose tokens stand where normalised hidden states do.
    /// </summary>
    /// <param name="shape">The adapter's shape.</param>
    public static double StandardScale(AdapterShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return shape.GateValues == 0 ? 1 : Math.Min(1, Math.Sqrt(MeasuredWidth / shape.HiddenSize));
    }

    /// <summary>A copy with arrays of its own.</summary>
    /// <returns>The copy.</returns>
    public AdapterParameters Clone() => new(Shape, (float[])Tokens.Clone(), (float[])Gates.Clone());
}
