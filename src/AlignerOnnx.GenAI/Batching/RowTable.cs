namespace AlignerOnnx.GenAI;

/// <summary>
/// Which answer has which row of the cache. Growing answers stand in the first rows, prompts that are being read behind them, so that all growing answers are one run of rows.
/// </summary>
internal sealed class RowTable(KeyValueCache cache)
{
    private readonly List<BatchRow> _rows = [];

    internal int Count => _rows.Count;

    /// <summary>How many answers grow: rows 0 to this, without it.</summary>
    internal int Growing { get; private set; }

    internal IReadOnlyList<BatchRow> All => _rows;

    /// <summary>Rows whose prompts are being read.</summary>
    internal IEnumerable<BatchRow> Reading => _rows.Skip(Growing);

    /// <summary>How many positions of each row are in use.</summary>
    internal int[] Lengths => [.. _rows.Select(row => row.Length)];

    internal int IndexOf(BatchRow row) => _rows.IndexOf(row);

    internal void Add(BatchRow row) => _rows.Add(row);

    /// <summary>Moves a row whose prompt is read to the growing ones.</summary>
    internal void Grow(BatchRow row)
    {
        int index = _rows.IndexOf(row);
        if (index != Growing)
        {
            Exchange(index, Growing);
        }
        Growing++;
    }

    /// <summary>Takes a row out; others move up.</summary>
    internal void Remove(BatchRow row)
    {
        int hole = _rows.IndexOf(row);
        if (hole < Growing)
        {
            Growing--;
            Move(Growing, hole);
            hole = Growing;
        }
        Move(_rows.Count - 1, hole);
        _rows.RemoveAt(_rows.Count - 1);
    }

    private void Move(int from, int to)
    {
        if (from != to)
        {
            cache.Move(from, to, _rows[from].Length);
            _rows[to] = _rows[from];
        }
    }

    private void Exchange(int a, int b)
    {
        using NativeBuffer kept = cache.Save(b, _rows[b].Length);
        cache.Move(a, b, _rows[a].Length);
        cache.Restore(a, kept, _rows[b].Length, _rows[b].Length);
        (_rows[a], _rows[b]) = (_rows[b], _rows[a]);
    }
}
