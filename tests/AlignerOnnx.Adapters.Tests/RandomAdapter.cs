using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters.Tests;

/// <summary>Adapters of random numbers, strong enough to change what a model computes; the seed is part of the call, so that a failure can be repeated.</summary>
internal static class RandomAdapter
{
    public static Adapter For(IReadOnlyList<AttentionSite> sites, int tokens, int seed, int startLayer = 1, bool concat = false)
    {
        Random random = new(seed);
        AdapterConfig config = Adapter.Describe(sites, "random", concat ? 0 : startLayer, tokens) with { Attention = concat ? AdapterConfig.ConcatAttention : AdapterConfig.GatedAttention };
        float[] Numbers(int count, float size) => [.. Enumerable.Range(0, count).Select(_ => size * ((2 * random.NextSingle()) - 1))];
        return new Adapter(config, Numbers(config.NumTokens * config.HiddenSize, 1.7f), Numbers(config.GatedLayers * config.NumHeads, 0.3f));
    }
}
