using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Greedy generation by plain ONNX Runtime without a cache: the whole sequence is computed anew for every token.</summary>
internal static class GreedyReference
{
    internal static int[] Generate(string modelPath, int[] prompt, float[] delta, int count)
    {
        using InferenceSession session = new(modelPath);
        List<int> ids = [.. prompt];
        for (int i = 0; i < count; i++)
        {
            ids.Add(Next(session, ids, delta));
        }
        return [.. ids.Skip(prompt.Length)];
    }

    private static int Next(InferenceSession session, List<int> ids, float[] delta)
    {
        List<NamedOnnxValue> feeds =
        [
            Feed("input_ids", new DenseTensor<long>(ids.Select(id => (long)id).ToArray(), [1, ids.Count])),
            Feed("attention_mask", new DenseTensor<long>(Enumerable.Repeat(1L, ids.Count).ToArray(), [1, ids.Count])),
            Feed("aligner.delta", new DenseTensor<float>(delta, [1, PatchedPocket.Layers, PatchedPocket.HiddenSize])),
        ];
        foreach (string name in session.InputMetadata.Keys.Where(n => n.StartsWith("past_key_values", StringComparison.Ordinal)))
        {
            feeds.Add(Feed(name, new DenseTensor<float>(new[] { 1, 2, 0, 32 })));
        }
        using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results = session.Run(feeds, ["logits"]);
        float[] logits = [.. results[0].AsTensor<float>()];
        ReadOnlySpan<float> last = logits.AsSpan(logits.Length - 1024);
        return last.IndexOf(System.Numerics.Tensors.TensorPrimitives.Max(last));
    }

    private static NamedOnnxValue Feed<T>(string name, Tensor<T> value) => NamedOnnxValue.CreateFromTensor(name, value);
}
