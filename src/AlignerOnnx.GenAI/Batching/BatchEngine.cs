using System.Runtime.CompilerServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.Kernels;

namespace AlignerOnnx.GenAI;

/// <summary>
/// Continuous batches directly on ONNX Runtime: answers join and leave between steps, each with its own adapter. GenAI gives tokenizer, templates and the choice of tokens.
/// </summary>
internal sealed class BatchEngine : ITokenEngine
{
    private readonly NativeModel _native;
    private readonly GenAIConfig _config;
    private readonly int _firstPrefixId;
    private readonly BatchSession _session;
    private readonly SharedBatchParts _shared;
    private readonly BatchWorker[] _workers;
    private readonly Lock _adapterGate = new();
    private readonly Dictionary<string, SlotValues> _adapters = new(StringComparer.Ordinal);
    private int _running;

    private BatchEngine(NativeModel native, GenAIConfig config, BatchForm form, BatchSession session, int batches, int firstPrefixId, IReadOnlyList<Slot> slots, ChatModelOptions options)
    {
        (_native, _config, _session, _firstPrefixId) = (native, config, session, firstPrefixId);
        BatchWorker[] workers = [];
        BatchQueue queue = new();
        BatchMeasures measures = new(() => queue.Count, () => workers.Sum(worker => worker.CacheBytes));
        _shared = new SharedBatchParts(queue, new BatchLoads(batches), new PromptCache(options.PromptCacheBytes), measures, slots, _config.MaxLength, options.PromptChunk);
        workers = [.. BatchShare.Of(options, batches).Select(share => new BatchWorker(session, form, share, _shared, End))];
        _workers = workers;
        _running = batches;
    }

    /// <summary>How many batches grow side by side.</summary>
    internal int Batches => _workers.Length;

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
        config = config with { MaxLength = (int)Math.Min(config.MaxLength, options.MaxCacheBytes / form.BytesPerPosition) };
        int batches = BatchCount.Of(options, model, config.Threads, config.MaxLength * form.BytesPerPosition);
        config = config with { Threads = config.Threads ?? BatchCount.ThreadsFor(batches) };
        NativeModel native = SamplerModel.Load(folder, config);
        BatchSession? session = null;
        try
        {
            // Flat runs have the values of slots for each token, which only small ones are worth.
            session = new BatchSession(model, form, config, RowSlots.AreSmall(slots), OperatorKernels.DecodeFaster);
            Try(session, form);
            BatchEngine engine = new(native, config, form, session, batches, ModelSlots.FirstPrefixId(model), slots, options);
            Array.ForEach(engine._workers, worker => worker.Start());
            return (engine, native, null);
        }
        catch (Microsoft.ML.OnnxRuntime.OnnxRuntimeException e)
        {
            session?.Dispose();
            native.LetGo();
            return (null, null, $"it does not run in a batch: {e.Message}");
        }
        catch
        {
            session?.Dispose();
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
        _shared.Prompts.Forget(values);
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
        _shared.Queue.Close();
        if (_workers.All(worker => worker.IsEmpty) && _shared.Queue.Count == 0)
        {
            Array.ForEach(_workers, worker => worker.Join());
        }
    }

    /// <summary>Computes two tokens, so that what ONNX Runtime cannot do shows before the first request.</summary>
    private static void Try(BatchSession session, BatchForm form)
    {
        using BatchDecoder decoder = new(session);
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
            _shared.Queue.Add(row);
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

    /// <summary>Frees everything when the last batch has ended.</summary>
    private void End()
    {
        if (Interlocked.Decrement(ref _running) == 0)
        {
            Array.ForEach(_workers, worker => worker.Dispose());
            _shared.Measures.Dispose();
            _shared.Prompts.Dispose();
            _session.Dispose();
            _native.LetGo();
        }
    }
}
