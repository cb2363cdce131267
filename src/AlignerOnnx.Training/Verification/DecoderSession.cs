using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Training;

/// <summary>A decoder in plain ONNX Runtime, of any attention form, with its key/value cache and, where it has slots, an adapter's values.</summary>
public sealed class DecoderSession : IDisposable
{
    private const string InputIds = "input_ids";
    private const string Logits = "logits";
    private const int RoomOfSlidingCache = 256;
    private const int FirstDevice = 0;

    private readonly InferenceSession _session;
    // What fails is thrown; ONNX Runtime need not write it on the terminal too.
    private readonly RunOptions _run = new() { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
    private readonly string? _path;
    private readonly ComputeDevice _device;
    private readonly (string Input, string Output)[] _cache;
    private readonly AttentionSite _site;
    private readonly int _room;
    private readonly IReadOnlyList<string> _watched;

    /// <summary>Opens a decoder.</summary>
    /// <param name="model">The model, patched or not; it may have been rewritten in memory.</param>
    /// <param name="floatActivations">Compute int4 and int8 projections with float32 activations (accuracy level 1), whatever the model says.</param>
    /// <param name="watched">Further outputs of the model that steps keep; null keeps none.</param>
    /// <param name="device">Where to compute.</param>
    /// <exception cref="ModelRefusedException">It is not recognised, or ONNX Runtime cannot run it.</exception>
    public DecoderSession(OnnxModel model, bool floatActivations = false, IReadOnlyList<string>? watched = null, ComputeDevice device = ComputeDevice.Cpu)
    {
        ArgumentNullException.ThrowIfNull(model);
        _watched = watched ?? [];
        _path = model.Path;
        _device = device;
        RequireLogits(model);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(SlotLayouts.WithoutSlots(model)).RequireSites();
        _site = sites[0];
        _cache = [.. sites.SelectMany(site => new[] { (Past: site.Cache.PastKey, Present: site.Cache.PresentKey), (Past: site.Cache.PastValue, Present: site.Cache.PresentValue) })
            .Where(pair => pair.Past is { IsGraphInput: true } && pair.Present is { IsGraphOutput: true }).Select(pair => (pair.Past!.Name, pair.Present!.Name))];
        // A cache that slides wants room for its window from the start.
        _room = sites.Any(site => site.Core.Attributes.Int("sliding_window_cache", 0) != 0) ? RoomOfSlidingCache : 0;
        _session = Open(floatActivations ? WithFloatActivations(model) : model, floatActivations, device);
    }

    /// <summary>
    /// Whether steps behind a cache can be compared: all layers have one, and none stores it as integers. ONNX Runtime 1.31 reads a cache of integers wrongly unless past and present are one buffer on the GPU, which they
    /// are in GenAI and are not here.
    /// </summary>
    internal static bool CanStep(IReadOnlyList<AttentionSite> sites) =>
        sites.All(site => site.Cache.PastKey?.ElementType is DataType.Float or DataType.Float16 or DataType.Bfloat16);

    /// <summary>What a step leaves: the logits [b, s, V] and the cache for the next step.</summary>
    /// <param name="Logits">The logits.</param>
    /// <param name="Cache">The keys and values of every layer.</param>
    /// <param name="Length">Positions in the cache.</param>
    public sealed record Step(float[] Logits, IReadOnlyList<OrtValue> Cache, int Length) : IDisposable
    {
        /// <summary>What the watched outputs were.</summary>
        public IReadOnlyList<float[]> Watched { get; init; } = [];

        /// <inheritdoc/>
        public void Dispose()
        {
            foreach (OrtValue value in Cache)
            {
                value.Dispose();
            }
        }
    }

    /// <summary>Runs one step.</summary>
    /// <param name="ids">Token ids [b, s].</param>
    /// <param name="batch">b.</param>
    /// <param name="past">The step before; null at the start.</param>
    /// <param name="slots">An adapter's values; null for the defaults.</param>
    /// <exception cref="ModelRefusedException">ONNX Runtime cannot run the model, or not with so many rows.</exception>
    public Step Run(long[] ids, int batch, Step? past = null, SlotValues? slots = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        int length = ids.Length / batch;
        int total = (past?.Length ?? 0) + length;
        List<string> names = [];
        List<OrtValue> values = [];
        Feed(names, values, InputIds, Integers(InputIds, ids, batch, length));
        Feed(names, values, "attention_mask", Integers("attention_mask", [.. Enumerable.Repeat(1L, batch * total)], batch, total));
        Feed(names, values, "position_ids", Integers("position_ids", [.. Enumerable.Range(0, batch * length).Select(i => (long)(total - length + (i % length)))], batch, length));
        int own = values.Count;
        foreach ((int i, (string input, _)) in _cache.Index())
        {
            Feed(names, values, input, past is null ? EmptyCache(input, batch) : past.Cache[i]);
        }
        OrtValue[] temporary = [.. past is null ? values : values.Take(own)];
        foreach ((string name, OrtValue value) in slots?.Values ?? [])
        {
            names.Add(name);
            values.Add(value);
        }
        IReadOnlyCollection<OrtValue> results;
        try
        {
            results = _session.Run(_run, names, values, [Logits, .. _watched, .. _cache.Select(pair => pair.Output)]);
        }
        catch (OnnxRuntimeException error)
        {
            throw CannotRun(_path, error, _device);
        }
        finally
        {
            foreach (OrtValue value in temporary)
            {
                value.Dispose();
            }
        }
        using OrtValue logits = results.First();
        float[][] watched = [.. results.Skip(1).Take(_watched.Count).Select(SinglesOnce)];
        return new Step(Singles(logits), [.. results.Skip(1 + _watched.Count)], total) { Watched = watched };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _run.Dispose();
        _session.Dispose();
    }

    private static InferenceSession Open(OnnxModel model, bool floatActivations, ComputeDevice device)
    {
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        // Several decoders stand side by side here; the idle threads of one must not take the processor from the next.
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        options.AddSessionConfigEntry(SessionKeys.ExternalFolder, Path.GetDirectoryName(Path.GetFullPath(model.Path!))!);
        if (floatActivations)
        {
            options.AddSessionConfigEntry(SessionKeys.DequantisedAccuracy, SessionKeys.FloatActivations);
        }
        device.UseIn(FirstDevice, options);
        try
        {
            return new InferenceSession(model.ToBytes(), options);
        }
        catch (OnnxRuntimeException error)
        {
            throw CannotRun(model.Path, error, device);
        }
    }

    private static ModelRefusedException CannotRun(string? path, OnnxRuntimeException error, ComputeDevice device) => new(
        "ONNX Runtime cannot run the model", path, error.Message, $"a model for the {(device == ComputeDevice.Cuda ? "GPU" : "processor")}",
        "check the model with the exporter's own tools, or name the device that it was exported for (verify --device)", error);

    private static void RequireLogits(OnnxModel model)
    {
        if (model.Graph.Find(Logits) is not { IsGraphOutput: true })
        {
            throw new ModelRefusedException("The model gives no logits", model.Path, $"outputs {string.Join(", ", model.Graph.Outputs)}", $"an output '{Logits}'", "export the model with its output head");
        }
    }

    private static OnnxModel WithFloatActivations(OnnxModel model)
    {
        OnnxModel copy = model.Clone();
        foreach (Node node in copy.Graph.Nodes.Where(node => node.Is("MatMulNBits", Domains.Microsoft)))
        {
            node.Attributes.Set(NodeAttributes.Of("accuracy_level", 1L));
        }
        return copy;
    }

    private void Feed(List<string> names, List<OrtValue> values, string name, OrtValue? value)
    {
        if (value is not null && _session.InputMetadata.ContainsKey(name))
        {
            names.Add(name);
            values.Add(value);
        }
    }

    private OrtValue? Integers(string name, long[] numbers, params long[] shape) => !_session.InputMetadata.TryGetValue(name, out NodeMetadata? input) ? null
        : input.ElementDataType == TensorElementType.Int32 ? OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(numbers, number => (int)number), shape)
        : OrtValue.CreateTensorValueFromMemory(numbers, shape);

    private OrtValue EmptyCache(string name, int batch)
    {
        OrtValue cache = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, _session.InputMetadata[name].ElementDataType, [batch, _site.KeyValueHeads, _room, _site.HeadSize]);
        cache.GetTensorMutableRawData().Clear();
        return cache;
    }

    private static float[] SinglesOnce(OrtValue value)
    {
        using (value)
        {
            return Singles(value);
        }
    }

    private static float[] Singles(OrtValue value) => value.GetTensorTypeAndShape().ElementDataType switch
    {
        TensorElementType.Float16 => Array.ConvertAll(value.GetTensorDataAsSpan<Float16>().ToArray(), number => (float)number),
        TensorElementType.BFloat16 => Array.ConvertAll(value.GetTensorDataAsSpan<BFloat16>().ToArray(), number => (float)number),
        _ => value.GetTensorDataAsSpan<float>().ToArray(),
    };
}
