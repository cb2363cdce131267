using System.Runtime.CompilerServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.Kernels;

namespace AlignerOnnx.GenAI;

/// <summary>
/// A continuous batch directly on ONNX Runtime: answers join and leave between steps, each with its own adapter. GenAI gives tokenizer, templates and the choice of tokens.
/// </summary>
internal sealed class BatchEngine : ITokenEngine
{
    private readonly NativeModel _native;
    private readonly GenAIConfig _config;
    private readonly int _firstPrefixId;
    private readonly BatchDecoder _decoder;
    private readonly KeyValueCache _cache;
    private readonly PromptCache _prompts;
    private readonly Batch _batch;
    private readonly BatchMeasures _measures;
    private readonly BatchQueue _queue = new();
    private readonly Lock _adapterGate = new();
    private readonly Dictionary<string, SlotValues> _adapters = new(StringComparer.Ordinal);
    private readonly Thread _thread;

    private BatchEngine(NativeModel native, GenAIConfig config, BatchForm form, BatchDecoder decoder, IReadOnlyList<Slot> slots, int firstPrefixId, ChatModelOptions options)
    {
        (_native, _decoder, _firstPrefixId) = (native, decoder, firstPrefixId);
        _cache = new KeyValueCache(form);
        _config = config with { MaxLength = (int)Math.Min(config.MaxLength, options.MaxCacheBytes / _cache.BytesPerPosition) };
        _prompts = new PromptCache(options.PromptCacheBytes);
        _measures = new BatchMeasures(() => _queue.Count, () => _cache.Bytes);
        _batch = new Batch(decoder, _cache, _prompts, _queue, slots, options, _measures, _config.MaxLength);
        _thread = new Thread(Work) { IsBackground = true, Name = "aligner-batch" };
    }

    public IReadOnlyList<string> Adapters
    {
        get
        {
            lock (_adapterGate)
            {
                return [.. _adapters.Keys];
            }
        }
    }

    /// <summary>Opens an engine where the model's form allows it.</summary>
    /// <returns>The engine with the model that has GenAI's part; else why there is none.</returns>
    /// <exception cref="ModelRefusedException">The model cannot be loaded.</exception>
    internal static (BatchEngine? Engine, NativeModel? Native, string? Obstacle) Open(string folder, GenAIConfig config, OnnxModel model, IReadOnlyList<Slot> slots, ChatModelOptions options)
    {
        if (config.Obstacle is { } obstacle)
        {
            return (null, null, obstacle);
        }
        (BatchForm? form, string? why) = BatchForm.Of(model);
        if (form is null)
        {
            return (null, null, why);
        }
        NativeModel native = SamplerModel.Load(folder, config);
        BatchDecoder? decoder = null;
        try
        {
            // Flat runs have the values of slots for each token, which only small ones are worth.
            decoder = new BatchDecoder(model, form, config, RowSlots.AreSmall(slots), OperatorKernels.DecodeFaster);
            Try(decoder, form);
            BatchEngine engine = new(native, config, form, decoder, slots, ModelSlots.FirstPrefixId(model), options);
            engine._thread.Start();
            return (engine, native, null);
        }
        catch (Microsoft.ML.OnnxRuntime.OnnxRuntimeException e)
        {
            decoder?.Dispose();
            native.LetGo();
            return (null, null, $"it does not run in a batch: {e.Message}");
        }
        catch
        {
            decoder?.Dispose();
            native.LetGo();
            throw;
        }
    }

    public void LoadAdapter(string name, string path)
    {
        SlotValues values = new(CompiledAdapterFile.ReadValues(path));
        lock (_adapterGate)
        {
            if (!_adapters.TryAdd(name, values))
            {
                throw AdapterNames.Taken(name);
            }
        }
    }

    public void UnloadAdapter(string name)
    {
        SlotValues? values;
        lock (_adapterGate)
        {
            if (!_adapters.Remove(name, out values))
            {
                throw AdapterNames.Unknown(name, _adapters.Keys);
            }
        }
        _prompts.Forget(values);
    }

    public IEnumerable<GeneratedToken> Generate(GenerationRequest request, CancellationToken cancellation)
    {
        BatchRow row = Submit(request, cancellation);
        try
        {
            while (row.Tokens.WaitToReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult())
            {
                while (row.Tokens.TryRead(out GeneratedToken token))
                {
                    yield return token;
                }
            }
        }
        finally
        {
            row.Abandon();
        }
    }

    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellation)
    {
        BatchRow row = Submit(request, cancellation);
        try
        {
            await foreach (GeneratedToken token in row.Tokens.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                // What was computed before the cancellation is not given after it.
                cancellation.ThrowIfCancellationRequested();
                yield return token;
            }
        }
        finally
        {
            row.Abandon();
        }
    }

    /// <summary>Begins no more answers; memory goes when the last running one has ended.</summary>
    public void Dispose()
    {
        _queue.Close();
        if (_batch.IsEmpty && _queue.Count == 0)
        {
            _thread.Join();
        }
    }

    /// <summary>Computes two tokens, so that what ONNX Runtime cannot do shows before the first request.</summary>
    private static void Try(BatchDecoder decoder, BatchForm form)
    {
        using KeyValueCache cache = new(form);
        cache.Resize(2, 4, []);
        decoder.Run(cache, [new TokenRun(1, 0, [0, 0])], []);
        decoder.Run(cache, [new TokenRun(0, 0, [0]), new TokenRun(1, 2, [0])], []);
    }

    private BatchRow Submit(GenerationRequest request, CancellationToken cancellation)
    {
        SlotValues? adapter = Find(request.Adapter);
        IEnumerable<int> prefix = Enumerable.Range(_firstPrefixId, adapter?.PrefixRows ?? 0);
        BatchRow row = new(_native, _config, request, [.. prefix, .. request.PromptIds], adapter, cancellation);
        try
        {
            _queue.Add(row);
        }
        catch
        {
            row.Close();
            throw;
        }
        return row;
    }

    private SlotValues? Find(string? name)
    {
        lock (_adapterGate)
        {
            return name is null ? null : _adapters.GetValueOrDefault(name) ?? throw AdapterNames.Unknown(name, _adapters.Keys);
        }
    }

    private void Work()
    {
        while (!_batch.IsEmpty || _queue.WaitForWork())
        {
            try
            {
                _batch.Turn();
            }
#pragma warning disable CA1031 // The thread that every answer depends on never ends by a failure; the failure ends the answers.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _batch.Fail(new GenerationFailedException(e));
                foreach (BatchRow row in _queue.TakeAll())
                {
                    row.Close(new GenerationFailedException(e));
                }
            }
        }
        _batch.Dispose();
        _measures.Dispose();
        _prompts.Dispose();
        _cache.Dispose();
        _decoder.Dispose();
        _native.LetGo();
    }
}
