using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.GenAI;

/// <summary>
/// Keys and values of all rows of the batch, [rows, G, capacity, head size] for each layer. Operators read and write them in place. Rows stand one behind the other, so that
/// any run of rows is a tensor of its own, without a copy.
/// </summary>
internal sealed unsafe class KeyValueCache(BatchForm form) : IDisposable
{
    private readonly NativeBuffer[] _buffers = [.. form.Caches.Select(_ => new NativeBuffer())];
    private readonly Dictionary<(int First, int Count), OrtValue[]> _views = [];

    internal int Rows { get; private set; }

    /// <summary>Positions that a row has room for.</summary>
    internal int Capacity { get; private set; }

    internal long Bytes => BytesFor(Rows, Capacity);

    /// <inheritdoc cref="BatchForm.BytesPerPosition"/>
    internal long BytesPerPosition => form.BytesPerPosition;

    private long PositionBytes => (long)form.HeadSize * form.ElementSize;

    private long RowBytes => form.KeyValueHeads * Capacity * PositionBytes;

    internal long BytesFor(int rows, int capacity) => rows * capacity * BytesPerPosition;

    /// <summary>Changes the sizes; keeps the first positions of each row.</summary>
    /// <param name="rows">How many rows there shall be.</param>
    /// <param name="capacity">How many positions a row shall have.</param>
    /// <param name="lengths">How many positions of each present row matter; none of them more than <paramref name="capacity"/>.</param>
    /// <exception cref="OutOfMemoryException">There is not so much memory; the cache is unchanged where its first layer did not fit.</exception>
    internal void Resize(int rows, int capacity, IReadOnlyList<int> lengths)
    {
        ForgetViews();
        foreach (ref NativeBuffer buffer in _buffers.AsSpan())
        {
            NativeBuffer larger = new();
            larger.Require(rows * (long)form.KeyValueHeads * capacity * PositionBytes);
            // Zeros, so that what no row has written yet is never NaN.
            NativeMemory.Clear(larger.Address, (nuint)larger.Bytes);
            for (int row = 0; row < lengths.Count; row++)
            {
                CopyHeads(buffer.Address + (row * RowBytes), Capacity, larger.Address + (row * form.KeyValueHeads * capacity * PositionBytes), capacity, lengths[row]);
            }
            buffer.Dispose();
            buffer = larger;
        }
        (Rows, Capacity) = (rows, capacity);
    }

    /// <summary>Copies the first positions of a row to another row.</summary>
    internal void Move(int from, int to, int length)
    {
        foreach (NativeBuffer buffer in _buffers)
        {
            CopyHeads(buffer.Address + (from * RowBytes), Capacity, buffer.Address + (to * RowBytes), Capacity, length);
        }
    }

    /// <summary>The first positions of a row, without gaps.</summary>
    internal NativeBuffer Save(int row, int length)
    {
        NativeBuffer saved = new();
        saved.Require(length * BytesPerPosition);
        for (int layer = 0; layer < _buffers.Length; layer++)
        {
            CopyHeads(_buffers[layer].Address + (row * RowBytes), Capacity, saved.Address + (layer * form.KeyValueHeads * length * PositionBytes), length, length);
        }
        return saved;
    }

    /// <summary>Puts the first positions of what <see cref="Save"/> gave into a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="saved">What was saved.</param>
    /// <param name="savedLength">Positions that were saved.</param>
    /// <param name="length">Positions to put back.</param>
    internal void Restore(int row, NativeBuffer saved, int savedLength, int length)
    {
        for (int layer = 0; layer < _buffers.Length; layer++)
        {
            CopyHeads(saved.Address + (layer * form.KeyValueHeads * savedLength * PositionBytes), savedLength, _buffers[layer].Address + (row * RowBytes), Capacity, length);
        }
    }

    /// <summary>A run of rows as tensors, in the order of <see cref="BatchForm.Caches"/>; valid until the sizes change.</summary>
    internal OrtValue[] View(int first, int count)
    {
        if (!_views.TryGetValue((first, count), out OrtValue[]? views))
        {
            views = [.. _buffers.Select(buffer => buffer.View(form.ElementType, [count, form.KeyValueHeads, Capacity, form.HeadSize], first * RowBytes, count * RowBytes))];
            _views.Add((first, count), views);
        }
        return views;
    }

    /// <summary>Gives the memory back.</summary>
    internal void Clear()
    {
        ForgetViews();
        foreach (NativeBuffer buffer in _buffers)
        {
            buffer.Dispose();
        }
        (Rows, Capacity) = (0, 0);
    }

    public void Dispose() => Clear();

    private void CopyHeads(byte* from, int fromCapacity, byte* to, int toCapacity, int length)
    {
        for (int head = 0; head < form.KeyValueHeads; head++)
        {
            NativeMemory.Copy(from + (head * fromCapacity * PositionBytes), to + (head * toCapacity * PositionBytes), (nuint)(length * PositionBytes));
        }
    }

    private void ForgetViews()
    {
        foreach (OrtValue view in _views.Values.SelectMany(views => views))
        {
            view.Dispose();
        }
        _views.Clear();
    }
}
