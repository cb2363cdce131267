using System.Diagnostics;

namespace AlignerOnnx.GenAI;

/// <summary>
/// The rows that are computed together. Each turn lets go who has left, gives free rows to those who wait, reads a piece of the waiting prompts, and takes one step with all
/// growing answers. One thread calls it.
/// </summary>
internal sealed class Batch(BatchDecoder decoder, KeyValueCache cache, PromptCache prompts, BatchQueue queue, IReadOnlyList<Slot> slots, ChatModelOptions options, BatchMeasures measures, int contextLength) : IDisposable
{
    // Shortest prompts go first, but every so many pieces belong to the oldest, so that none waits for ever.
    private const int TurnOfTheOldest = 4;
    private const int SmallestCapacity = 128;
    private const long MostIdleBytes = 64 << 20;

    private readonly RowTable _rows = new(cache);
    private readonly RowSlots _readingSlots = new(slots);
    private readonly RowSlots _growingSlots = new(slots);
    private long _pieces;
    // After a row had to give way for lack of memory, none is begun until one ends.
    private bool _isFull;

    internal bool IsEmpty => _rows.Count == 0;

    internal void Turn()
    {
        DropGone();
        Admit();
        ReadPrompts();
        if (MakeRoomToGrow())
        {
            Step();
        }
        if (IsEmpty && cache.Bytes > MostIdleBytes)
        {
            cache.Clear();
        }
    }

    /// <summary>Ends every answer with a failure.</summary>
    internal void Fail(Exception failure)
    {
        foreach (BatchRow row in _rows.All.ToArray())
        {
            End(row, failure);
        }
    }

    public void Dispose()
    {
        _readingSlots.Dispose();
        _growingSlots.Dispose();
    }

    private void DropGone()
    {
        foreach (BatchRow row in queue.TakeGone())
        {
            row.Close();
        }
        foreach (BatchRow row in _rows.All.Where(row => row.IsGone).ToArray())
        {
            End(row);
        }
    }

    private void Admit()
    {
        while (!_isFull && _rows.Count < options.MaxBatchRows && queue.TakeIf(row => TryReserve(_rows.Count + 1, row.Ids.Count + 1)) is { } row)
        {
            Begin(row);
        }
        if (IsEmpty && queue.TakeIf(_ => true) is { } homeless)
        {
            homeless.Close(new GenerationFailedException(new InsufficientMemoryException("There is no memory for the keys and values of one answer.")));
        }
    }

    private void Begin(BatchRow row)
    {
        int index = _rows.Count;
        _rows.Add(row);
        row.Length = prompts.Use(row.Adapter, row.Ids, (saved, savedLength, length) => cache.Restore(index, saved, savedLength, length));
        measures.Reused(row.Length);
        if (row.Remaining == 1)
        {
            _rows.Grow(row);
        }
    }

    private void ReadPrompts()
    {
        int budget = options.PromptChunk;
        while (budget > 0 && _rows.Reading.MinBy(row => _pieces % TurnOfTheOldest == 0 ? row.Arrival : row.Remaining) is { } row)
        {
            _pieces++;
            int count = Math.Min(budget, row.Remaining);
            budget -= count;
            try
            {
                Read(row, count);
            }
#pragma warning disable CA1031 // Whatever the native library or the search throws, the other rows go on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                End(row, new GenerationFailedException(e));
            }
        }
    }

    private void Read(BatchRow row, int count)
    {
        ReadOnlySpan<float> logits = decoder.Run(cache, _rows.IndexOf(row), row.Next(count), [row.Length], _readingSlots.For([row.Adapter]));
        row.Length += count;
        measures.Computed(count);
        if (row.Remaining == 0)
        {
            prompts.Add(row.Adapter, [.. row.Ids], row.Length * cache.BytesPerPosition, () => cache.Save(_rows.IndexOf(row), row.Length));
            if (!row.Take(logits))
            {
                End(row);
                return;
            }
        }
        if (row.Remaining == 1)
        {
            _rows.Grow(row);
        }
    }

    /// <summary>One more token for every growing answer. Rows move when one of them ends, so those that end go when all are done.</summary>
    private void Step()
    {
        BatchRow[] growing = [.. _rows.All.Take(_rows.Growing)];
        SlotValues?[] adapters = [.. growing.Select(row => row.Adapter is { PrefixRows: > 0 } ? null : row.Adapter)];
        List<(BatchRow Row, Exception? Failure)> ended = [];
        for (int first = 0; first < growing.Length;)
        {
            int count = RowSlots.Together(adapters.AsSpan(first));
            Step(growing.AsSpan(first, count), first, adapters.AsSpan(first, count), ended);
            first += count;
        }
        foreach ((BatchRow row, Exception? failure) in ended)
        {
            End(row, failure);
        }
    }

    private void Step(ReadOnlySpan<BatchRow> rows, int first, ReadOnlySpan<SlotValues?> adapters, List<(BatchRow Row, Exception? Failure)> ended)
    {
        long started = Stopwatch.GetTimestamp();
        int[] ids = new int[rows.Length];
        int[] past = new int[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            (ids[i], past[i]) = (rows[i].Ids[^1], rows[i].Length);
        }
        try
        {
            ReadOnlySpan<float> logits = decoder.Run(cache, first, ids, past, _growingSlots.For(adapters));
            for (int i = 0; i < rows.Length; i++)
            {
                rows[i].Length++;
                Take(rows[i], logits.Slice(i * decoder.Vocabulary, decoder.Vocabulary), ended);
            }
        }
#pragma warning disable CA1031 // Whatever the native library throws, rows of other runs go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            foreach (BatchRow row in rows)
            {
                ended.Add((row, new GenerationFailedException(e)));
            }
        }
        measures.Step(rows.Length, Stopwatch.GetElapsedTime(started));
    }

    private static void Take(BatchRow row, ReadOnlySpan<float> logits, List<(BatchRow Row, Exception? Failure)> ended)
    {
        try
        {
            if (!row.Take(logits))
            {
                ended.Add((row, null));
            }
        }
#pragma warning disable CA1031 // A failure of one answer's search is no other's.
        catch (Exception e)
#pragma warning restore CA1031
        {
            ended.Add((row, new GenerationFailedException(e)));
        }
    }

    /// <summary>Makes room for one more position of every growing answer; where there is none, the youngest give way and are computed again later.</summary>
    /// <returns>Whether any answer grows.</returns>
    private bool MakeRoomToGrow()
    {
        while (_rows.Growing > 0 && !TryReserve(_rows.Count, _rows.All.Take(_rows.Growing).Max(row => row.Length) + 1))
        {
            BatchRow youngest = _rows.All.MaxBy(row => row.Arrival)!;
            if (_rows.Count == 1)
            {
                End(youngest, new GenerationFailedException(new InsufficientMemoryException("There is no memory for the keys and values of one more token.")));
                continue;
            }
            _rows.Remove(youngest);
            youngest.Length = 0;
            queue.Return(youngest);
            _isFull = true;
        }
        return _rows.Growing > 0;
    }

    /// <summary>Makes the cache large enough, within its limit: rows and positions grow by doubling, so that copies stay rare.</summary>
    private bool TryReserve(int rows, int positions)
    {
        if (rows <= cache.Rows && positions <= cache.Capacity)
        {
            return true;
        }
        (int Rows, int Capacity)[] sizes =
        [
            (Math.Min(options.MaxBatchRows, Doubled(1, Math.Max(rows, cache.Rows))), Math.Min(contextLength, Doubled(SmallestCapacity, Math.Max(positions, cache.Capacity)))),
            (Math.Max(rows, cache.Rows), Math.Max(positions, cache.Capacity)),
            (rows, Math.Max(positions, _rows.All.Select(row => row.Ids.Count).DefaultIfEmpty().Max())),
        ];
        foreach ((int wantedRows, int capacity) in sizes)
        {
            if (cache.BytesFor(wantedRows, capacity) <= options.MaxCacheBytes)
            {
                try
                {
                    cache.Resize(wantedRows, capacity, _rows.Lengths);
                    return true;
                }
                catch (OutOfMemoryException)
                {
                    // The next size is smaller.
                }
            }
        }
        return false;
    }

    private static int Doubled(int from, int atLeast)
    {
        while (from < atLeast)
        {
            from *= 2;
        }
        return from;
    }

    private void End(BatchRow row, Exception? failure = null)
    {
        _rows.Remove(row);
        _isFull = false;
        row.Close(failure);
    }
}
