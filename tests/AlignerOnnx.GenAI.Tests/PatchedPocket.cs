using AlignerOnnx.Adapters;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>The embedded model with a one-token slot, and adapters for it.</summary>
internal static class PatchedPocket
{
    internal const int Layers = 6;
    internal const int HiddenSize = 128;

    internal static void Write(string folder, string form = "model-int4") => ModelPatcher.Patch(Material.Pocket(form), folder);

    /// <summary>Vectors strong enough to change what the model says.</summary>
    internal static float[] RandomDelta(int seed, float scale = 0.5f)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, Layers * HiddenSize).Select(_ => scale * ((2 * random.NextSingle()) - 1))];
    }

    internal static string WriteAdapter(string folder, float[] delta)
    {
        byte[] bytes = new byte[delta.Length * sizeof(float)];
        Buffer.BlockCopy(delta, 0, bytes, 0, bytes.Length);
        return CompiledAdapter.Write(folder, OneTokenInjection.Slot, 1, [1, Layers, HiddenSize], bytes);
    }
}
