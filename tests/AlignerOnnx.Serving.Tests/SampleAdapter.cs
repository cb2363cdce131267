using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Trained artifacts with random values, strong enough to change answers, that fit a model.</summary>
internal static class SampleAdapter
{
    internal static void Write(string folder, string model, int seed = 5, int tokens = 1, string attention = "gated", float strength = 2)
    {
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(ModelLoader.Load(model)).RequireSites();
        TrainingRecord record = new() { Recipe = "the recipe", DataHash = "the data's hash", Steps = 1, FinalLoss = 1 };
        bool gated = attention == "gated";
        AdapterConfig config = Adapter.Describe(sites, "pocket", startLayer: gated ? 2 : 0, tokens, record) with { Attention = attention };
        Random random = new(seed);
        AdapterPackage.Save(new Adapter(config, Numbers(random, strength, tokens * config.HiddenSize), gated ? Numbers(random, strength, config.AdaptedLayers * config.NumHeads) : []), folder);
    }

    private static float[] Numbers(Random random, float strength, int count) => [.. Enumerable.Range(0, count).Select(_ => strength * ((2 * random.NextSingle()) - 1))];
}
