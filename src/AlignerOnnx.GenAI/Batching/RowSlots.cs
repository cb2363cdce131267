using AlignerOnnx.GraphRewrites.Injection;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.GenAI;

/// <summary>The slots of a run of rows as tensors with a leading batch dimension: each row has the values of its own adapter, rows of the base model have neutral ones.</summary>
internal sealed class RowSlots(IReadOnlyList<Slot> slots) : IDisposable
{
    // Rows whose adapters have different numbers of tokens repeat theirs up to a common number; beyond this one they are computed apart.
    private const int MostTokens = 64;
    private const int TokenAxis = 3;

    private readonly Slot[] _slots = [.. slots.Where(IsAdapters)];
    private readonly Dictionary<string, NativeBuffer> _buffers = [];
    private readonly List<(string Name, OrtValue Value)> _values = [];
    private SlotValues?[] _rows = [];

    /// <summary>Whether slots are so small that each token of a prompt may have values of its own: one vector a layer.</summary>
    internal static bool AreSmall(IReadOnlyList<Slot> slots) => slots.Where(IsAdapters).All(slot => slot.Name == OneTokenInjection.Slot);

    /// <summary>The tensors for some rows; valid until the next call.</summary>
    /// <param name="rows">The rows' adapters; null for the base model.</param>
    internal IReadOnlyList<(string Name, OrtValue Value)> For(ReadOnlySpan<SlotValues?> rows)
    {
        if (rows.SequenceEqual(_rows))
        {
            return _values;
        }
        Forget();
        _rows = rows.ToArray();
        if (_rows.Any(row => row is not null))
        {
            int tokens = _rows.Aggregate(1, (common, row) => Common(common, row?.Tokens ?? 0));
            _values.AddRange(_slots.Select(slot => (slot.Name, slot.Name == PrefixInjection.Slot ? Table(slot, _rows[0]!) : Stack(slot, tokens))));
        }
        return _values;
    }

    /// <summary>How many of the rows, from the first, can be computed together.</summary>
    internal static int Together(ReadOnlySpan<SlotValues?> rows)
    {
        int tokens = 1;
        for (int row = 0; row < rows.Length; row++)
        {
            tokens = Common(tokens, rows[row]?.Tokens ?? 0);
            if (tokens > MostTokens && row > 0)
            {
                return row;
            }
        }
        return rows.Length;
    }

    public void Dispose()
    {
        Forget();
        foreach (NativeBuffer buffer in _buffers.Values)
        {
            buffer.Dispose();
        }
    }

    /// <summary>The least number of tokens to which both can be repeated; a row without tokens takes any.</summary>
    private static int Common(int a, int b)
    {
        if (b == 0)
        {
            return a;
        }
        (int large, int small) = (a, b);
        while (small != 0)
        {
            (large, small) = (small, large % small);
        }
        return a / large * b;
    }

    private static bool IsAdapters(Slot slot) => slot.Name.StartsWith("aligner.", StringComparison.Ordinal);

    /// <summary>Only while a prompt is read, which is one row at a time, ids select rows of the table.</summary>
    private OrtValue Table(Slot slot, SlotValues adapter)
    {
        ReadOnlySpan<byte> values = adapter.Of(slot.Name)!.Value.Span;
        NativeBuffer buffer = Buffer(slot, values.Length);
        values.CopyTo(buffer.Span<byte>(values.Length));
        return buffer.View(ElementType(slot), [adapter.PrefixRows, slot.Dimensions[1]], 0, values.Length);
    }

    private OrtValue Stack(Slot slot, int tokens)
    {
        long[] shape = [.. slot.Dimensions];
        shape[0] = _rows.Length;
        if (shape.Length > TokenAxis)
        {
            shape[TokenAxis] = tokens;
        }
        int width = slot.DataType == 1 ? 4 : 2;
        int rowBytes = checked((int)(shape.Skip(1).Aggregate(1L, (product, size) => product * size) * width));
        NativeBuffer buffer = Buffer(slot, (long)rowBytes * _rows.Length);
        for (int row = 0; row < _rows.Length; row++)
        {
            Span<byte> target = buffer.Span<byte>(rowBytes * _rows.Length).Slice(row * rowBytes, rowBytes);
            if (_rows[row]?.Of(slot.Name) is { } values)
            {
                Repeat(values.Span, shape.Length > TokenAxis ? _rows[row]!.Tokens * (int)shape[^1] * width : values.Length, target);
            }
            else
            {
                FillNeutral(target, width);
            }
        }
        return buffer.View(ElementType(slot), shape, 0, (long)rowBytes * _rows.Length);
    }

    /// <summary>Writes each group of tokens as often as the target has room: a softmax over repeated keys mixes repeated values to the same sum.</summary>
    private static void Repeat(ReadOnlySpan<byte> values, int group, Span<byte> target)
    {
        if (group == 0)
        {
            target.Clear();
            return;
        }
        int times = target.Length / values.Length;
        for (int from = 0, to = 0; from < values.Length; from += group)
        {
            for (int time = 0; time < times; time++, to += group)
            {
                values.Slice(from, group).CopyTo(target[to..]);
            }
        }
    }

    /// <summary>Negative zeros, as a slot's own default is: x + -0 is x for every x.</summary>
    private static void FillNeutral(Span<byte> target, int width)
    {
        target.Clear();
        for (int last = width - 1; last < target.Length; last += width)
        {
            target[last] = 0x80;
        }
    }

    private NativeBuffer Buffer(Slot slot, long bytes)
    {
        if (!_buffers.TryGetValue(slot.Name, out NativeBuffer? buffer))
        {
            _buffers.Add(slot.Name, buffer = new NativeBuffer());
        }
        // Never empty, so that it has an address.
        buffer.Require(Math.Max(bytes, 1));
        return buffer;
    }

    private static TensorElementType ElementType(Slot slot) => slot.DataType switch
    {
        10 => TensorElementType.Float16,
        16 => TensorElementType.BFloat16,
        _ => TensorElementType.Float,
    };

    private void Forget()
    {
        _values.ForEach(each => each.Value.Dispose());
        _values.Clear();
    }
}
