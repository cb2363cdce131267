using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>The embedded model with a one-token slot, and adapters for it.</summary>
internal static class PatchedPocket
{
    internal const int Layers = 6;
    internal const int HiddenSize = 128;

    internal static void Write(string folder, string form = "model-int4")
    {
        foreach (string file in Directory.EnumerateFiles(Material.Pocket(form)))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }
        OnnxModel model = ModelLoader.Load(Path.Combine(Material.Pocket(form), "model.onnx"));
        OneTokenInjection.Apply(model, RecognisedModel.Of(model).RequireSites());
        File.WriteAllBytes(Path.Combine(folder, "model.onnx"), model.ToBytes());
    }

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
