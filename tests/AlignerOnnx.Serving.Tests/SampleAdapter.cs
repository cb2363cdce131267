using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Trained artifacts with random values, strong enough to change answers, that fit a model.</summary>
internal static class SampleAdapter
{
    internal static void Write(string folder, string model, int seed = 5)
    {
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(ModelLoader.Load(model)).RequireSites();
        TrainingRecord record = new() { Recipe = "the recipe", DataHash = "the data's hash", Steps = 1, FinalLoss = 1 };
        AdapterConfig config = Adapter.Describe(sites, "pocket", startLayer: 2, tokens: 1, record);
        Random random = new(seed);
        AdapterPackage.Save(new Adapter(config, Numbers(random, config.HiddenSize), Numbers(random, config.AdaptedLayers * config.NumHeads)), folder);
    }

    private static float[] Numbers(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => 2 * ((2 * random.NextSingle()) - 1))];
}
