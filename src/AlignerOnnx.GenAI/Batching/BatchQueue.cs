namespace AlignerOnnx.GenAI;

/// <summary>Where answers wait for a row of a batch, first come first served.</summary>
internal sealed class BatchQueue
{
    private readonly object _gate = new();
    private readonly LinkedList<BatchRow> _waiting = [];
    private long _arrivals;
    private bool _closed;

    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <exception cref="ObjectDisposedException">No more answers are begun.</exception>
    internal void Add(BatchRow row)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, typeof(ChatModel));
            row.Arrival = ++_arrivals;
            _waiting.AddLast(row);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Puts a row back that has lost its place.</summary>
    internal void Return(BatchRow row)
    {
        lock (_gate)
        {
            _waiting.AddFirst(row);
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Takes no more answers; those that wait are still begun.</summary>
    internal void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until an answer waits.</summary>
    /// <returns>False when none waits and none will come.</returns>
    internal bool WaitForWork()
    {
        lock (_gate)
        {
            while (_waiting.Count == 0 && !_closed)
            {
                Monitor.Wait(_gate);
            }
            return _waiting.Count > 0;
        }
    }

    /// <summary>Takes the first row; null where none waits.</summary>
    internal BatchRow? Take()
    {
        lock (_gate)
        {
            BatchRow? first = _waiting.First?.Value;
            if (first is not null)
            {
                _waiting.RemoveFirst();
            }
            return first;
        }
    }

    /// <summary>Takes the rows out for which nobody waits any more.</summary>
    internal IReadOnlyList<BatchRow> TakeGone()
    {
        lock (_gate)
        {
            BatchRow[] gone = [.. _waiting.Where(row => row.IsGone)];
            foreach (BatchRow row in gone)
            {
                _waiting.Remove(row);
            }
            return gone;
        }
    }

    /// <summary>Takes all rows out.</summary>
    internal IReadOnlyList<BatchRow> TakeAll()
    {
        lock (_gate)
        {
            BatchRow[] all = [.. _waiting];
            _waiting.Clear();
            return all;
        }
    }
}
