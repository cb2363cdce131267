namespace AlignerOnnx.GenAI;

/// <summary>One batch with its cache and its thread, beside others of the same engine: all take answers from one queue and share the weights and the keys and values of earlier prompts.</summary>
internal sealed class BatchWorker : IDisposable
{
    private readonly BatchDecoder _decoder;
    private readonly KeyValueCache _cache;
    private readonly Batch _batch;
    private readonly BatchQueue _queue;
    private readonly Action _ended;
    private readonly Thread _thread;

    /// <param name="session">The decoder.</param>
    /// <param name="form">Its form.</param>
    /// <param name="share">Which batch it is, and what it may use.</param>
    /// <param name="shared">What all batches use.</param>
    /// <param name="ended">Called by the thread when it ends.</param>
    internal BatchWorker(BatchSession session, BatchForm form, BatchShare share, SharedBatchParts shared, Action ended)
    {
        _decoder = new BatchDecoder(session);
        _cache = new KeyValueCache(form);
        _batch = new Batch(_decoder, _cache, share, shared);
        (_queue, _ended) = (shared.Queue, ended);
        _thread = new Thread(Work) { IsBackground = true, Name = $"aligner-batch-{share.Index}" };
    }

    /// <summary>Whether no answer has a row.</summary>
    internal bool IsEmpty => _batch.IsEmpty;

    /// <summary>Memory of the keys and values of the rows.</summary>
    internal long CacheBytes => _cache.Bytes;

    internal void Start() => _thread.Start();

    /// <summary>Waits until the thread has ended, after the queue was closed.</summary>
    internal void Join() => _thread.Join();

    /// <summary>To be called when no batch of the engine computes any more.</summary>
    public void Dispose()
    {
        _batch.Dispose();
        _cache.Dispose();
        _decoder.Dispose();
    }

    private void Work()
    {
        while (!_batch.IsEmpty || _queue.WaitForWork())
        {
            bool wasEmpty = _batch.IsEmpty;
            try
            {
                _batch.Turn();
            }
#pragma warning disable CA1031 // The thread that answers depend on never ends by a failure; the failure ends the answers.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _batch.Fail(new GenerationFailedException(e));
                if (wasEmpty)
                {
                    // One of those that wait is the reason, and would be again.
                    EndWaiting(e);
                }
            }
        }
        _ended();
    }

    private void EndWaiting(Exception failure)
    {
        foreach (BatchRow row in _queue.TakeAll())
        {
            row.Close(new GenerationFailedException(failure));
        }
    }
}
