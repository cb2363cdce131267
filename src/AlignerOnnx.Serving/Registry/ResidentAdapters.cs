namespace AlignerOnnx.Serving;

/// <summary>
/// The compiled adapters that the engine holds, by a key that names their values and never means others. A lease keeps one resident; of those without
/// a lease the least recently used go when there are too many.
/// </summary>
internal sealed class ResidentAdapters(ITextEngine engine, int capacity)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _byKey = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _idle = [];

    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _byKey.Count;
            }
        }
    }

    /// <summary>Makes the adapter resident, if it is not, and keeps it so until the lease is disposed.</summary>
    /// <param name="key">The name of the values.</param>
    /// <param name="compiled">Gives the compiled file, where it is needed.</param>
    internal IDisposable Acquire(string key, Func<string> compiled)
    {
        Entry entry;
        lock (_gate)
        {
            if (!_byKey.TryGetValue(key, out entry!))
            {
                // Compiled and loaded outside the lock, by the first who needs it; others wait for that one only.
                entry = new Entry(key, new Lazy<bool>(() =>
                {
                    engine.LoadAdapter(key, compiled());
                    return true;
                }));
                _byKey.Add(key, entry);
            }
            entry.Dropped = false;
            if (entry.Leases++ == 0 && entry.Idle is { } node)
            {
                _idle.Remove(node);
                entry.Idle = null;
            }
        }
        try
        {
            _ = entry.Load.Value;
        }
        catch
        {
            Release(entry);
            throw;
        }
        return new Lease(this, entry);
    }

    /// <summary>Lets the adapter go as soon as no lease holds it.</summary>
    internal void Drop(string key)
    {
        lock (_gate)
        {
            if (_byKey.TryGetValue(key, out Entry? entry))
            {
                entry.Dropped = true;
                if (entry.Leases == 0)
                {
                    Remove(entry);
                }
            }
        }
    }

    private void Release(Entry entry)
    {
        lock (_gate)
        {
            if (--entry.Leases > 0)
            {
                return;
            }
            if (entry.Dropped || !entry.Load.IsValueCreated)
            {
                Remove(entry);
                return;
            }
            entry.Idle = _idle.AddLast(entry);
            while (_byKey.Count > capacity && _idle.First is { } oldest)
            {
                Remove(oldest.Value);
            }
        }
    }

    private void Remove(Entry entry)
    {
        _byKey.Remove(entry.Key);
        if (entry.Idle is { } node)
        {
            _idle.Remove(node);
        }
        if (entry.Load.IsValueCreated)
        {
            engine.UnloadAdapter(entry.Key);
        }
    }

    private sealed class Entry(string key, Lazy<bool> load)
    {
        internal string Key => key;

        internal Lazy<bool> Load => load;

        internal int Leases { get; set; }

        internal bool Dropped { get; set; }

        internal LinkedListNode<Entry>? Idle { get; set; }
    }

    private sealed class Lease(ResidentAdapters owner, Entry entry) : IDisposable
    {
        private Entry? _entry = entry;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _entry, null) is { } held)
            {
                owner.Release(held);
            }
        }
    }
}
