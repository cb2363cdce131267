using System.Text.Json;
using AlignerOnnx.Adapters;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Serving;

/// <summary>Adapters of small random values for a model with one-token slots.</summary>
internal sealed class BenchmarkAdapters : IDisposable
{
    private const float Scale = 0.01f;

    private readonly string _patched;
    private readonly string _folder = Directory.CreateTempSubdirectory("aligner-bench-").FullName;

    internal BenchmarkAdapters(string patched, int count)
    {
        _patched = patched;
        OnnxModel model = ModelLoader.Load(patched);
        long[] shape = [.. model.Graph.Find(OneTokenInjection.Slot)!.Initializer!.Shape];
        DataType type = model.Graph.Find(OneTokenInjection.Slot)!.ElementType;
        JsonElement facts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(patched, ModelPaths.GenAIConfig))).RootElement.GetProperty("model");
        Vocabulary = facts.GetProperty("vocab_size").GetInt32();
        JsonElement ends = facts.GetProperty("eos_token_id");
        EndTokens = ends.ValueKind == JsonValueKind.Array ? [.. ends.EnumerateArray().Select(id => id.GetInt32())] : [ends.GetInt32()];
        Deltas = [.. Enumerable.Range(0, count).Select(index => Delta(index, shape.Aggregate((a, b) => a * b)))];
        Names = [.. Enumerable.Range(0, count).Select(index => $"adapter-{index}")];
        foreach ((string name, float[] delta) in Names.Zip(Deltas))
        {
            File.WriteAllBytes(FileOf(name), OnnxAdapterFile.ToBytes(new AdapterParameter(OneTokenInjection.Slot, type, shape, FloatEncoding.ToBytes(delta, type))));
        }
    }

    internal int Vocabulary { get; }

    internal IReadOnlyList<int> EndTokens { get; }

    internal IReadOnlyList<float[]> Deltas { get; }

    internal IReadOnlyList<string> Names { get; }

    /// <summary>Opens the model with all adapters loaded.</summary>
    internal ChatModel Open(ChatModelOptions options)
    {
        ChatModel model = new(_patched, options);
        foreach (string name in Names)
        {
            model.LoadAdapter(name, FileOf(name));
        }
        return model;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string FileOf(string name) => Path.Combine(_folder, $"{name}.onnx_adapter");

    private static float[] Delta(int seed, long count)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, checked((int)count)).Select(_ => Scale * ((2 * random.NextSingle()) - 1))];
    }
}
