namespace AlignerOnnx.Training;

/// <summary>What a verification found.</summary>
/// <param name="BitwiseEqual">Whether the patched model without an adapter gives the base model's logits bit for bit, at prefill and at decode steps.</param>
/// <param name="MaxDifference">The largest difference of logits between patched model with compiled adapter and the portable form, both with float32 activations.</param>
/// <param name="Where">Where that difference is.</param>
/// <param name="Tolerance">The largest difference that passes.</param>
/// <param name="Adapters">What was found for each adapter.</param>
public sealed record PatchVerification(bool BitwiseEqual, double MaxDifference, string Where, double Tolerance, IReadOnlyList<AdapterVerification> Adapters)
{
    /// <summary>Whether everything is as it should be.</summary>
    public bool Passed => BitwiseEqual && MaxDifference <= Tolerance;
}

/// <summary>What a verification found for one adapter.</summary>
/// <param name="Adapter">The adapter's folder, or the seed of a random one.</param>
/// <param name="MaxDifference">The largest difference of logits from the portable form with float32 activations.</param>
/// <param name="Effect">The largest change of a logit that the adapter makes: how much there was to get wrong.</param>
/// <param name="Where">Row and position of the largest difference.</param>
/// <param name="TopOneAgreement">The share of positions where the shipped file (activations rounded as exported) and the portable form agree on the likeliest token.</param>
/// <param name="Divergence">Mean Kullback-Leibler divergence of the shipped file from the portable form, in nats.</param>
public sealed record AdapterVerification(string Adapter, double MaxDifference, double Effect, string Where, double TopOneAgreement, double Divergence);
