using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests;

/// <summary>Random numbers for models in text that are to run.</summary>
internal static class RandomWeights
{
    /// <summary>Numbers between minus and plus half a width.</summary>
    public static float[] Numbers(Random random, int count, float width = 1) => [.. Enumerable.Range(0, count).Select(_ => width * (random.NextSingle() - 0.5f))];

    /// <summary>Gives every weight in a data file numbers of its element type; scales are a tenth as wide. Each has a seed of its own, so that a weight is the same whatever else a text has.</summary>
    public static void Fill(OnnxModel model)
    {
        foreach (Value weight in model.Graph.Values.Where(value => value.Initializer is { IsExternal: true }).ToArray())
        {
            Random random = new(weight.Name.Sum(letter => letter));
            Tensor stored = weight.Initializer!;
            byte[] bytes = new byte[stored.Count];
            random.NextBytes(bytes);
            model.Graph.AddInitializer(Tensor.Inline(weight.Name, stored.ElementType, stored.ElementType == DataType.Uint8
                ? bytes
                : FloatEncoding.ToBytes(Numbers(random, bytes.Length, weight.Name == "scales" ? 0.1f : 1), stored.ElementType), [.. stored.Shape]));
        }
    }
}
