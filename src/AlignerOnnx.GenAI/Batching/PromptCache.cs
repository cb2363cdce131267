namespace AlignerOnnx.GenAI;

/// <summary>
/// Keys and values of earlier prompts, for prompts that begin alike: a shared system message is computed once. They depend on the adapter's values, so each belongs to one loaded
/// adapter, never to a name: another version of an adapter finds none of them. The longest unused go first.
/// </summary>
internal sealed class PromptCache(long mostBytes) : IDisposable
{
    // Shorter beginnings cost more to look after than to compute.
    private const int ShortestPrefix = 16;

    private readonly Lock _gate = new();
    private readonly LinkedList<Entry> _entries = [];
    private long _bytes;

    /// <summary>Puts what is known of a prompt's beginning into a row.</summary>
    /// <param name="adapter">The loaded adapter; null for the base model.</param>
    /// <param name="ids">The prompt.</param>
    /// <param name="restore">Takes saved positions, how many were saved, and how many of them to use.</param>
    /// <returns>How many positions are known; always fewer than the prompt has, since its last token must be computed.</returns>
    internal int Use(SlotValues? adapter, IReadOnlyList<int> ids, Action<NativeBuffer, int, int> restore)
    {
        lock (_gate)
        {
            (LinkedListNode<Entry>? best, int length) = (null, 0);
            for (LinkedListNode<Entry>? node = _entries.First; node is not null; node = node.Next)
            {
                int common = node.Value.Adapter == adapter ? CommonLength(node.Value.Ids, ids) : 0;
                (best, length) = common > length ? (node, common) : (best, length);
            }
            length = Math.Min(length, ids.Count - 1);
            if (best is null || length < ShortestPrefix)
            {
                return 0;
            }
            restore(best.Value.Saved, best.Value.Ids.Length, length);
            _entries.Remove(best);
            _entries.AddFirst(best);
            return length;
        }
    }

    /// <summary>Keeps a prompt. Earlier ones that it continues are no longer needed.</summary>
    internal void Add(SlotValues? adapter, int[] ids, long bytes, Func<NativeBuffer> save)
    {
        if (ids.Length < ShortestPrefix || bytes > mostBytes)
        {
            return;
        }
        lock (_gate)
        {
            if (_entries.Any(entry => entry.Adapter == adapter && CommonLength(entry.Ids, ids) == ids.Length))
            {
                return;
            }
            Remove(entry => entry.Adapter == adapter && CommonLength(entry.Ids, ids) == entry.Ids.Length);
            while (_bytes + bytes > mostBytes)
            {
                Remove(_entries.Last!);
            }
            _entries.AddFirst(new Entry(adapter, ids, save()));
            _bytes += bytes;
        }
    }

    /// <summary>Drops all that was computed under an adapter.</summary>
    internal void Forget(SlotValues adapter)
    {
        lock (_gate)
        {
            Remove(entry => entry.Adapter == adapter);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            Remove(_ => true);
        }
    }

    private void Remove(Func<Entry, bool> which)
    {
        for (LinkedListNode<Entry>? node = _entries.First; node is not null;)
        {
            LinkedListNode<Entry> tried = node;
            node = node.Next;
            if (which(tried.Value))
            {
                Remove(tried);
            }
        }
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        _entries.Remove(node);
        _bytes -= node.Value.Saved.Bytes;
        node.Value.Saved.Dispose();
    }

    private static int CommonLength(int[] known, IReadOnlyList<int> ids)
    {
        int length = 0;
        while (length < known.Length && length < ids.Count && known[length] == ids[length])
        {
            length++;
        }
        return length;
    }

    private sealed record Entry(SlotValues? Adapter, int[] Ids, NativeBuffer Saved);
}
