using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Cli.Tests;

/// <summary>Adapters of random numbers for the embedded model, strong enough that it answers otherwise.</summary>
internal static class RandomAdapter
{
    public static string Save(string folder, int tokens, int seed)
    {
        Random random = new(seed);
        AdapterConfig config = Adapter.Describe(RecognisedModel.Of(ModelLoader.Load(Material.Pocket())).RequireSites(), "pocket", 2, tokens);
        float[] Numbers(int count, float size) => [.. Enumerable.Range(0, count).Select(_ => size * ((2 * random.NextSingle()) - 1))];
        AdapterPackage.Save(new Adapter(config, Numbers(tokens * config.HiddenSize, 1.7f), Numbers(config.AdaptedLayers * config.NumHeads, 3)), folder);
        return folder;
    }
}
