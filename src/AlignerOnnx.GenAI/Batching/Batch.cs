using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AlignerOnnx.GenAI;

/// <summary>
/// The rows that are computed together. Each turn lets go who has left, gives free rows to those who wait, reads a piece of the waiting prompts, and takes one step with all
/// growing answers: in one run where the decoder is flat, so that a prompt and the answers share each pass over the weights. One thread calls it.
/// </summary>
internal sealed class Batch(BatchDecoder decoder, KeyValueCache cache, BatchShare share, SharedBatchParts shared) : IDisposable
{
    // Shortest prompts go first, but every so many pieces belong to the oldest, so that none waits for ever.
    private const int TurnOfTheOldest = 4;
    private const int SmallestCapacity = 128;

    private readonly RowTable _rows = new(cache);
    private readonly RowSlots _readingSlots = new(shared.Slots);
    private readonly RowSlots _growingSlots = new(shared.Slots);
    private readonly List<(BatchRow Row, Exception? Failure)> _ended = [];
    private long _pieces;
    // After there was no memory for a row, none is begun until one ends.
    private bool _isFull;

    internal bool IsEmpty => _rows.Count == 0;

    internal void Turn()
    {
        DropGone();
        Admit();
        if (decoder.IsFlat)
        {
            MakeRoomToGrow();
            Compute([.. Growing, .. NextPieces()], _growingSlots);
            Settle();
        }
        else
        {
            ReadPrompts();
            MakeRoomToGrow();
            Step();
        }
        if (IsEmpty && cache.Bytes > share.IdleBytes)
        {
            cache.Clear();
        }
        Report();
    }

    /// <summary>Ends every answer with a failure.</summary>
    internal void Fail(Exception failure)
    {
        _ended.Clear();
        foreach (BatchRow row in _rows.All.ToArray())
        {
            End(row, failure);
        }
        Report();
    }

    public void Dispose()
    {
        _readingSlots.Dispose();
        _growingSlots.Dispose();
    }

    private void DropGone()
    {
        foreach (BatchRow row in shared.Queue.TakeGone())
        {
            row.Close();
        }
        foreach (BatchRow row in _rows.All.Where(row => row.IsGone).ToArray())
        {
            End(row);
        }
    }

    /// <summary>Begins answers that wait, where no other batch has fewer.</summary>
    private void Admit()
    {
        Report();
        while (HasPlace && shared.Loads.IsLeast(share.Index) && shared.Queue.Take() is { } row)
        {
            Place(row);
            Report();
        }
    }

    /// <summary>Gives a row to an answer. One for which there is no memory waits, if need be for another batch.</summary>
    private void Place(BatchRow row)
    {
        bool waits = true;
        try
        {
            if (TryReserve(_rows.Count + 1, row.Ids.Count + 1))
            {
                waits = false;
                Begin(row);
            }
            else if (IsEmpty)
            {
                waits = false;
                row.Close(new GenerationFailedException(new InsufficientMemoryException("There is no memory for the keys and values of one answer.")));
            }
            _isFull = waits;
        }
        finally
        {
            if (waits)
            {
                shared.Queue.Return(row);
            }
        }
    }

    private bool HasPlace => !_isFull && _rows.Count < share.Rows;

    private void Report() => shared.Loads.Report(share.Index, HasPlace ? _rows.Count : null);

    private void Begin(BatchRow row)
    {
        int index = _rows.Count;
        _rows.Add(row);
        row.Length = shared.Prompts.Use(row.Adapter, row.Ids, (saved, savedLength, length) => cache.Restore(index, saved, savedLength, length));
        shared.Measures.Reused(row.Length);
        if (row.Remaining == 1)
        {
            _rows.Grow(row);
        }
    }

    /// <summary>Each piece in a run of its own.</summary>
    private void ReadPrompts()
    {
        foreach (Part piece in NextPieces())
        {
            Compute([piece], _readingSlots);
            Settle();
        }
    }

    /// <summary>One more token for every growing answer, in as few runs as their adapters allow.</summary>
    private void Step()
    {
        Part[] growing = [.. Growing];
        SlotValues?[] adapters = [.. growing.Select(part => part.Adapter)];
        for (int first = 0; first < growing.Length;)
        {
            int count = RowSlots.Together(adapters.AsSpan(first));
            Compute(growing.AsSpan(first, count), _growingSlots);
            first += count;
        }
        Settle();
    }

    /// <summary>The last token of every growing answer. Ids of a prefix stand only in prompts.</summary>
    private IEnumerable<Part> Growing => _rows.All.Take(_rows.Growing).Select(row => new Part(row, 1, IsPrompt: false, row.Adapter is { PrefixRows: > 0 } ? null : row.Adapter));

    /// <summary>What is read of the waiting prompts in this turn.</summary>
    private List<Part> NextPieces()
    {
        List<Part> pieces = [];
        List<BatchRow> waiting = [.. _rows.Reading];
        for (int budget = shared.PromptChunk; budget > 0 && waiting.Count > 0; _pieces++)
        {
            BatchRow row = waiting.MinBy(row => _pieces % TurnOfTheOldest == 0 ? row.Arrival : row.Remaining)!;
            waiting.Remove(row);
            int count = Math.Min(budget, row.Remaining);
            budget -= count;
            pieces.Add(new Part(row, count, IsPrompt: true, row.Adapter));
        }
        return pieces;
    }

    /// <summary>Computes tokens in one run; where that fails, each row's alone, so that none ends by another's failure.</summary>
    private void Compute(ReadOnlySpan<Part> parts, RowSlots rowSlots)
    {
        if (parts.IsEmpty)
        {
            return;
        }
        long started = Stopwatch.GetTimestamp();
        try
        {
            ReadOnlySpan<float> logits = Run(parts, rowSlots);
            for (int i = 0; i < parts.Length; i++)
            {
                Accept(parts[i], logits.Slice(i * decoder.Vocabulary, decoder.Vocabulary));
            }
        }
#pragma warning disable CA1031 // Whatever the native library throws, rows that it does not concern go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (parts.Length > 1)
            {
                foreach (Part part in parts)
                {
                    Compute([part], rowSlots);
                }
                return;
            }
            _ended.Add((parts[0].Row, new GenerationFailedException(e)));
        }
        Measure(parts, Stopwatch.GetElapsedTime(started));
    }

    private ReadOnlySpan<float> Run(ReadOnlySpan<Part> parts, RowSlots rowSlots)
    {
        List<TokenRun> runs = [];
        List<SlotValues?> adapters = [];
        foreach (Part part in parts)
        {
            runs.Add(new TokenRun(_rows.IndexOf(part.Row), part.Row.Length, part.Row.Next(part.Count)));
            adapters.AddRange(Enumerable.Repeat(part.Adapter, decoder.IsFlat ? part.Count : 1));
        }
        return decoder.Run(cache, runs, rowSlots.For(CollectionsMarshal.AsSpan(adapters)));
    }

    private void Accept(Part part, ReadOnlySpan<float> logits)
    {
        BatchRow row = part.Row;
        row.Length += part.Count;
        if (row.Remaining > 0)
        {
            return;
        }
        try
        {
            if (part.IsPrompt)
            {
                shared.Prompts.Add(row.Adapter, [.. row.Ids], row.Length * cache.BytesPerPosition, () => cache.Save(_rows.IndexOf(row), row.Length));
            }
            if (!row.Take(logits))
            {
                _ended.Add((row, null));
            }
        }
#pragma warning disable CA1031 // A failure of one answer's search is no other's.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _ended.Add((row, new GenerationFailedException(e)));
        }
    }

    private void Measure(ReadOnlySpan<Part> parts, TimeSpan time)
    {
        int growing = 0;
        foreach (Part part in parts)
        {
            if (part.IsPrompt)
            {
                shared.Measures.Computed(part.Count);
            }
            else
            {
                growing++;
            }
        }
        if (growing > 0)
        {
            shared.Measures.Step(growing, time);
        }
    }

    /// <summary>Ends the answers that have their last token, and lets those grow whose prompts are read. Other rows move then, so that this comes when all runs of a step are done.</summary>
    private void Settle()
    {
        foreach ((BatchRow row, Exception? failure) in _ended)
        {
            End(row, failure);
        }
        _ended.Clear();
        foreach (BatchRow row in _rows.Reading.Where(row => row.Remaining == 1).ToArray())
        {
            _rows.Grow(row);
        }
    }

    /// <summary>Makes room for one more position of every growing answer; where there is none, the youngest give way and are computed again later.</summary>
    private void MakeRoomToGrow()
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
            shared.Queue.Return(youngest);
            _isFull = true;
        }
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
            (Math.Min(share.Rows, Doubled(1, Math.Max(rows, cache.Rows))), Math.Min(shared.ContextLength, Doubled(SmallestCapacity, Math.Max(positions, cache.Capacity)))),
            (Math.Max(rows, cache.Rows), Math.Max(positions, cache.Capacity)),
            (rows, Math.Max(positions, _rows.All.Select(row => row.Ids.Count).DefaultIfEmpty().Max())),
        ];
        foreach ((int wantedRows, int capacity) in sizes)
        {
            if (cache.BytesFor(wantedRows, capacity) <= share.CacheBytes)
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

    /// <summary>What is computed of a row in one run.</summary>
    /// <param name="Row">The row.</param>
    /// <param name="Count">Tokens.</param>
    /// <param name="IsPrompt">Whether they are the prompt's; else the last token of a growing answer.</param>
    /// <param name="Adapter">Whose values the slots have; null for neutral ones.</param>
    private readonly record struct Part(BatchRow Row, int Count, bool IsPrompt, SlotValues? Adapter);
}
