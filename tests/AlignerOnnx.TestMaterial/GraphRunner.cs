using AlignerOnnx.Graph;

using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.TestMaterial;

/// <summary>Runs a model that is in memory in plain ONNX Runtime.</summary>
public sealed class GraphRunner : IDisposable
{
    private readonly InferenceSession _session;
    private readonly IReadOnlyList<(string Name, Array Data, long[] Shape)> _overrides;

    /// <param name="model">The model.</param>
    /// <param name="overrides">Values for overridable initializers, fed in every run.</param>
    public GraphRunner(OnnxModel model, params IReadOnlyList<(string Name, Array Data, long[] Shape)> overrides)
    {
        _overrides = overrides;
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        // DequantizeLinear before MatMul becomes MatMulNBits; without this its activations are rounded to int8.
        options.AddSessionConfigEntry("session.qdq_matmulnbits_accuracy_level", "1");
        if (model.Path is not null)
        {
            options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", Path.GetDirectoryName(model.Path)!);
        }
        _session = new InferenceSession(model.ToBytes(), options);
    }

    public IReadOnlyDictionary<string, float[]> Run(params IReadOnlyList<(string Name, Array Data, long[] Shape)> inputs)
    {
        using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results = _session.Run(Feeds(inputs));
        return results.ToDictionary(result => result.Name, result => result.AsEnumerable<float>().ToArray());
    }

    /// <summary>The first output with its shape.</summary>
    public (float[] Data, long[] Shape) RunFirst(params IReadOnlyList<(string Name, Array Data, long[] Shape)> inputs) => RunWithShapes(inputs)[0];

    /// <summary>The outputs with their shapes.</summary>
    public IReadOnlyList<(float[] Data, long[] Shape)> RunWithShapes(params IReadOnlyList<(string Name, Array Data, long[] Shape)> inputs)
    {
        using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results = _session.Run(Feeds(inputs));
        return [.. results.Select(result => result.AsTensor<float>()).Select(tensor => ((float[])[.. tensor], Array.ConvertAll(tensor.Dimensions.ToArray(), size => (long)size)))];
    }

    /// <summary>The batch of a golden case with its adapter.</summary>
    public IReadOnlyDictionary<string, float[]> Run(GoldenCase golden)
    {
        TargetBatch targets = TargetBatch.Of(golden);
        (string Name, Array Data, long[] Shape)[] gates = golden.IsGated ? [("aligner.gates", golden.Singles("gates"), golden.Shape("gates"))] : [];
        return Run(
        [
            ("input_ids", golden.Int64s("input_ids"), golden.Shape("input_ids")),
            ("attention_mask", golden.Int64s("attention_mask"), golden.Shape("attention_mask")),
            ("target_positions", targets.Positions, [targets.Positions.Length]),
            ("target_ids", targets.Ids, [targets.Ids.Length]),
            ("target_weights", targets.Weights, [targets.Weights.Length]),
            ("aligner.tokens", golden.Singles("tokens"), golden.Shape("tokens")),
            .. gates,
        ]);
    }

    public void Dispose() => _session.Dispose();

    private NamedOnnxValue[] Feeds(IReadOnlyList<(string Name, Array Data, long[] Shape)> inputs) =>
        [.. inputs.Where(input => _session.InputMetadata.ContainsKey(input.Name)).Concat(_overrides).Select(Feed)];

    private static NamedOnnxValue Feed((string Name, Array Data, long[] Shape) input)
    {
        int[] shape = [.. input.Shape.Select(dimension => (int)dimension)];
        return input.Data is long[] integers
            ? NamedOnnxValue.CreateFromTensor(input.Name, new DenseTensor<long>(integers, shape))
            : NamedOnnxValue.CreateFromTensor(input.Name, new DenseTensor<float>((float[])input.Data, shape));
    }
}
