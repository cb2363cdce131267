namespace AlignerOnnx.Training;

/// <summary>What a verification found.</summary>
/// <param name="Layout">The slot layout of the patched model.</param>
/// <param name="Base">The base model that it was compared with; null where none was found and the patched model without its slots stood in.</param>
/// <param name="BitwiseEqual">Whether the patched model without an adapter gives the base model's logits bit for bit, at prefill and at decode steps.</param>
/// <param name="MaxDifference">The largest difference of logits between two ways to compute the same adapter, with float32 activations.</param>
/// <param name="Where">Where that difference is.</param>
/// <param name="Tolerance">The largest difference that passes.</param>
/// <param name="Adapters">What was found for each adapter and each layout that takes it.</param>
public sealed record PatchVerification(
    string Layout, string? Base, bool BitwiseEqual, double MaxDifference, string Where, double Tolerance, IReadOnlyList<AdapterVerification> Adapters)
{
    /// <summary>Whether everything is as it should be.</summary>
    public bool Passed => BitwiseEqual && MaxDifference <= Tolerance;
}

/// <summary>What a verification found for one adapter in one layout.</summary>
/// <param name="Adapter">The adapter's folder, or what is random.</param>
/// <param name="Layout">The slot layout; of the patched file itself, or injected in memory.</param>
/// <param name="Against">What it was compared with: another layout, or the same one token by token.</param>
/// <param name="MaxDifference">The largest difference of logits, both with float32 activations.</param>
/// <param name="Effect">The largest change of a logit that the adapter makes: how much there was to get wrong.</param>
/// <param name="Where">Layer, row and position of the largest difference.</param>
/// <param name="TopOneAgreement">The share of positions where the file as it is (activations rounded as exported) and the comparison agree on the likeliest token.</param>
/// <param name="Divergence">Mean Kullback-Leibler divergence of the file as it is from the comparison, in nats.</param>
public sealed record AdapterVerification(
    string Adapter, string Layout, string Against, double MaxDifference, double Effect, string Where, double TopOneAgreement, double Divergence);
