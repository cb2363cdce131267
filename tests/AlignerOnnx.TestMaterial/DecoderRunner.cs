using AlignerOnnx.Graph;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.TestMaterial;

/// <summary>Runs any exported decoder in plain ONNX Runtime, prefill and decode, whatever inputs its exporter gave it. Needs no recognition: sizes come from declarations.</summary>
public sealed class DecoderRunner : IDisposable
{
    private readonly InferenceSession _session;
    private readonly string[] _past;
    private readonly string[] _present;
    private readonly IReadOnlyDictionary<string, (float[] Data, long[] Shape)> _slots;

    /// <param name="model">The model, patched or not.</param>
    /// <param name="headSize">For caches whose declaration leaves the head size open.</param>
    /// <param name="capacity">Positions of an empty cache; Gemma 2's sliding layers want room from the start.</param>
    /// <param name="slots">Values for slots.</param>
    public DecoderRunner(OnnxModel model, int headSize, int capacity = 0, params IReadOnlyList<(string Name, float[] Data, long[] Shape)> slots)
    {
        HeadSize = headSize;
        Capacity = capacity;
        _slots = slots.ToDictionary(slot => slot.Name, slot => (slot.Data, slot.Shape));
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        // DequantizeLinear before MatMul becomes MatMulNBits; without this its activations are rounded to int8.
        options.AddSessionConfigEntry("session.qdq_matmulnbits_accuracy_level", "1");
        if (model.Path is not null)
        {
            options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", Path.GetDirectoryName(model.Path)!);
        }
        _session = new InferenceSession(model.ToBytes(), options);
        _past = [.. _session.InputMetadata.Where(input => input.Value.Dimensions.Length == 4).Select(input => input.Key)];
        _present = [.. _past.Select(name => name.Replace("past_key_values", "present", StringComparison.Ordinal)).Where(_session.OutputMetadata.ContainsKey)];
    }

    public int HeadSize { get; }

    public int Capacity { get; }

    /// <summary>What a step leaves: logits [b, s, V] and the cache.</summary>
    public sealed record Step(float[] Logits, IReadOnlyList<OrtValue> Cache, int Length);

    /// <summary>Runs ids [b, s] behind a step.</summary>
    public Step Run(long[] ids, int batch, long[]? mask = null, Step? behind = null)
    {
        int length = ids.Length / batch;
        int before = behind?.Length ?? 0;
        List<string> names = [];
        List<OrtValue> values = [];
        void Feed(string name, OrtValue value)
        {
            if (_session.InputMetadata.ContainsKey(name))
            {
                names.Add(name);
                values.Add(value);
            }
        }
        Feed("input_ids", _session.InputMetadata["input_ids"].ElementDataType == TensorElementType.Int32
            ? OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(ids, id => (int)id), [batch, length])
            : OrtValue.CreateTensorValueFromMemory(ids, [batch, length]));
        Feed("attention_mask", OrtValue.CreateTensorValueFromMemory(mask ?? [.. Enumerable.Repeat(1L, batch * (before + length))], [batch, before + length]));
        Feed("position_ids", OrtValue.CreateTensorValueFromMemory([.. Enumerable.Range(0, batch * length).Select(i => (long)(before + (i % length)))], [batch, length]));
        for (int i = 0; i < _past.Length; i++)
        {
            Feed(_past[i], behind is null ? EmptyCache(_past[i], batch) : behind.Cache[i]);
        }
        foreach ((string name, (float[] data, long[] shape)) in _slots)
        {
            names.Add(name);
            values.Add(OfType(_session.OverridableInitializerMetadata[name].ElementDataType, data, shape));
        }
        using RunOptions run = new();
        IReadOnlyCollection<OrtValue> results = _session.Run(run, names, values, ["logits", .. _present]);
        return new Step(Singles(results.First()), [.. results.Skip(1)], before + length);
    }

    public void Dispose() => _session.Dispose();

    private OrtValue EmptyCache(string name, int batch)
    {
        int[] declared = _session.InputMetadata[name].Dimensions;
        long[] shape = [batch, declared[1], Capacity, declared[3] > 0 ? declared[3] : HeadSize];
        return OfType(_session.InputMetadata[name].ElementDataType, new float[shape.Aggregate(1L, (a, b) => a * b)], shape);
    }

    private static OrtValue OfType(TensorElementType type, float[] data, long[] shape) => type == TensorElementType.Float16
        ? OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(data, number => (Float16)number), shape)
        : OrtValue.CreateTensorValueFromMemory(data, shape);

    private static float[] Singles(OrtValue value) => value.GetTensorTypeAndShape().ElementDataType == TensorElementType.Float16
        ? Array.ConvertAll(value.GetTensorDataAsSpan<Float16>().ToArray(), number => (float)number)
        : value.GetTensorDataAsSpan<float>().ToArray();
}
