using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Decoding;
using AlignerOnnx.Kernels;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.GenAI;

/// <summary>Runs a decoder in ONNX Runtime on a run of rows of a cache, each of its own length.</summary>
internal sealed class BatchDecoder : IDisposable
{
    private readonly BatchForm _form;
    private readonly InferenceSession _session;
    private readonly RunOptions _options = new();
    private readonly NativeBuffer _ids = new();
    private readonly NativeBuffer _mask = new();
    private readonly NativeBuffer _logits = new();
    private readonly string[] _inputs;
    private readonly string[] _outputs;
    private readonly TensorElementType _logitsType;
    private readonly bool _lastOnly;
    private float[] _last = [];

    /// <summary>Opens the decoder.</summary>
    /// <param name="model">The model; it is rewritten.</param>
    /// <param name="form">Its form.</param>
    /// <param name="config">The model's configuration.</param>
    /// <exception cref="ModelRefusedException">ONNX Runtime cannot load it.</exception>
    internal BatchDecoder(OnnxModel model, BatchForm form, GenAIConfig config)
    {
        _form = form;
        _lastOnly = LastPosition.Apply(model);
        if (OperatorKernels.DecodeFaster)
        {
            Int4Products.Apply(model);
            CachedAttentions.Apply(model);
        }
        _session = Open(model, config.Threads);
        _logitsType = _session.OutputMetadata[BatchForm.Logits].ElementDataType;
        Vocabulary = _session.OutputMetadata[BatchForm.Logits].Dimensions is [.., > 0 and var width] ? width : config.VocabularySize;
        _inputs = [BatchForm.InputIds, BatchForm.AttentionMask, .. form.Caches.Select(cache => cache.Past)];
        _outputs = [BatchForm.Logits, .. form.Caches.Select(cache => cache.Present)];
    }

    /// <summary>V.</summary>
    internal int Vocabulary { get; }

    /// <summary>Computes the next tokens of some rows. Their keys and values go into the cache.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="first">The first row.</param>
    /// <param name="ids">The tokens [rows, s]; several tokens at once only for one row.</param>
    /// <param name="past">Positions that each row has in the cache.</param>
    /// <param name="slots">Values of slots.</param>
    /// <returns>The logits behind each row's last token, [rows, V]; valid until the next call.</returns>
    /// <exception cref="OnnxRuntimeException">The computation failed.</exception>
    internal ReadOnlySpan<float> Run(KeyValueCache cache, int first, ReadOnlySpan<int> ids, ReadOnlySpan<int> past, IReadOnlyList<(string Name, OrtValue Value)> slots)
    {
        (int rows, int length) = (past.Length, ids.Length / past.Length);
        int positions = _lastOnly ? 1 : length;
        OrtValue[] views = cache.View(first, rows);
        using OrtValue idValues = Ids(ids, rows, length);
        using OrtValue maskValues = Mask(past, length);
        using OrtValue logits = LogitsFor(rows, positions);
        _session.Run(_options, [.. _inputs, .. slots.Select(slot => slot.Name)], [idValues, maskValues, .. views, .. slots.Select(slot => slot.Value)], _outputs, [logits, .. views]);
        return LastLogits(rows, positions);
    }

    public void Dispose()
    {
        _session.Dispose();
        _options.Dispose();
        _ids.Dispose();
        _mask.Dispose();
        _logits.Dispose();
    }

    private static InferenceSession Open(OnnxModel model, int? threads)
    {
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        options.IntraOpNumThreads = threads ?? 0;
        OperatorKernels.Register(options);
        options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", Path.GetDirectoryName(Path.GetFullPath(model.Path!))!);
        try
        {
            return new InferenceSession(model.ToBytes(), options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelRefusedException("ONNX Runtime cannot load the model", model.Path, e.Message, inner: e);
        }
    }

    private OrtValue Ids(ReadOnlySpan<int> ids, int rows, int length)
    {
        if (_session.InputMetadata[BatchForm.InputIds].ElementDataType == TensorElementType.Int32)
        {
            _ids.Require(ids.Length * sizeof(int));
            ids.CopyTo(_ids.Span<int>(ids.Length));
            return _ids.View(TensorElementType.Int32, [rows, length], 0, ids.Length * sizeof(int));
        }
        _ids.Require(ids.Length * sizeof(long));
        Span<long> wide = _ids.Span<long>(ids.Length);
        for (int i = 0; i < ids.Length; i++)
        {
            wide[i] = ids[i];
        }
        return _ids.View(TensorElementType.Int64, [rows, length], 0, ids.Length * sizeof(long));
    }

    /// <summary>Ones for a row's own positions, then zeros: the operators count the ones.</summary>
    private OrtValue Mask(ReadOnlySpan<int> past, int length)
    {
        int total = 0;
        foreach (int row in past)
        {
            total = Math.Max(total, row + length);
        }
        int count = past.Length * total;
        _mask.Require(count * sizeof(long));
        Span<long> mask = _mask.Span<long>(count);
        mask.Clear();
        for (int row = 0; row < past.Length; row++)
        {
            mask.Slice(row * total, past[row] + length).Fill(1);
        }
        return _mask.View(TensorElementType.Int64, [past.Length, total], 0, count * sizeof(long));
    }

    private OrtValue LogitsFor(int rows, int positions)
    {
        long bytes = (long)rows * positions * Vocabulary * (_logitsType == TensorElementType.Float ? 4 : 2);
        _logits.Require(bytes);
        return _logits.View(_logitsType, [rows, positions, Vocabulary], 0, bytes);
    }

    private ReadOnlySpan<float> LastLogits(int rows, int positions)
    {
        if (positions == 1 && _logitsType == TensorElementType.Float)
        {
            return _logits.Span<float>(rows * Vocabulary);
        }
        Array.Resize(ref _last, Math.Max(_last.Length, rows * Vocabulary));
        for (int row = 0; row < rows; row++)
        {
            Span<float> target = _last.AsSpan(row * Vocabulary, Vocabulary);
            int from = ((row * positions) + positions - 1) * Vocabulary;
            if (_logitsType == TensorElementType.Float)
            {
                _logits.Span<float>(from + Vocabulary)[from..].CopyTo(target);
            }
            else
            {
                System.Numerics.Tensors.TensorPrimitives.ConvertToSingle(_logits.Span<Half>(from + Vocabulary)[from..], target);
            }
        }
        return _last.AsSpan(0, rows * Vocabulary);
    }
}
