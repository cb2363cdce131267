namespace AlignerOnnx.Adapters;

/// <summary>A tensor as a torch pickle describes it: a view of a storage that stands beside the pickle.</summary>
/// <param name="StorageType">Its class, such as <c>BFloat16Storage</c>.</param>
/// <param name="StorageKey">The name of the storage.</param>
/// <param name="StorageElements">Elements of the whole storage.</param>
/// <param name="Offset">The first element.</param>
/// <param name="Shape">The sizes.</param>
/// <param name="Strides">Elements from one index to the next, of each dimension.</param>
internal sealed record TorchView(string StorageType, string StorageKey, long StorageElements, long Offset, long[] Shape, long[] Strides);

/// <summary>
/// Reads the pickle of a state dictionary without running anything. Pickle is a program for a stack machine that may call any function by name; this one knows the instructions that
/// <c>torch.save</c> writes for a dictionary of tensors, and of the functions only the three that stand for such data, which it interprets itself. All else is refused where it stands.
/// Source: github.com/python/cpython, Lib/pickletools.py; github.com/pytorch/pytorch, torch/_utils.py and torch/serialization.py.
/// </summary>
internal sealed class TorchPickle
{
    private const string OrderedDictionary = "collections.OrderedDict";
    private const string RebuildTensor = "torch._utils._rebuild_tensor_v2";
    private const string RebuildParameter = "torch._utils._rebuild_parameter";
    private const string StorageSuffix = "Storage";
    private const int MostDimensions = 8;

    private static readonly object Mark = new();

    private readonly PickleBytes _bytes;
    private readonly List<object?> _stack = [];
    private readonly Dictionary<int, object?> _memo = [];

    private TorchPickle(ReadOnlyMemory<byte> pickle) => _bytes = new PickleBytes(pickle);

    /// <summary>The tensors of a state dictionary.</summary>
    /// <exception cref="InvalidDataException">The pickle is damaged, or is not the data of such a dictionary; the message says what stands where.</exception>
    public static IReadOnlyDictionary<string, TorchView> Read(ReadOnlyMemory<byte> pickle)
    {
        if (new TorchPickle(pickle).Run() is not Dictionary<string, object?> dictionary)
        {
            throw new InvalidDataException("it holds no dictionary of tensors");
        }
        return dictionary.ToDictionary(entry => entry.Key, entry => entry.Value as TorchView ?? throw new InvalidDataException($"'{entry.Key}' is not a tensor"), StringComparer.Ordinal);
    }

    private object? Run()
    {
        while (true)
        {
            int place = _bytes.Position;
            byte instruction = _bytes.Byte();
            if (instruction == '.')
            {
                return Pop();
            }
            Step(instruction, place);
        }
    }

    private void Step(byte instruction, int place)
    {
        switch (instruction)
        {
            case 0x80: _bytes.Byte(); break;
            case (byte)'}': Push(new Dictionary<string, object?>(StringComparer.Ordinal)); break;
            case (byte)')': Push(Array.Empty<object?>()); break;
            case (byte)'(': Push(Mark); break;
            case (byte)'t': Push(PopToMark()); break;
            case 0x85 or 0x86 or 0x87: Push(PopMany(instruction - 0x84)); break;
            case (byte)'N': Push(null); break;
            case 0x88 or 0x89: Push(instruction == 0x88); break;
            case (byte)'J': Push((long)_bytes.Int32()); break;
            case (byte)'K': Push((long)_bytes.Byte()); break;
            case (byte)'M': Push((long)_bytes.UInt16()); break;
            case 0x8a: Push(_bytes.Long(_bytes.Byte())); break;
            case (byte)'X': Push(_bytes.Text(_bytes.Int32())); break;
            case (byte)'c': Push(Function(place)); break;
            case (byte)'R': Push(Call(place)); break;
            case (byte)'b': DropState(place); break;
            case (byte)'Q': Push(StorageOf(Pop(), place)); break;
            case (byte)'q': _memo[_bytes.Byte()] = Peek(); break;
            case (byte)'r': _memo[_bytes.Int32()] = Peek(); break;
            case (byte)'h': Push(Remembered(_bytes.Byte(), place)); break;
            case (byte)'j': Push(Remembered(_bytes.Int32(), place)); break;
            case (byte)'s': SetItems(PopMany(2), place); break;
            case (byte)'u': SetItems(PopToMark(), place); break;
            default: throw new InvalidDataException($"the instruction 0x{instruction:x2} at byte {place}, which no dictionary of tensors needs");
        }
    }

    /// <summary>A function or class by name: only those that are interpreted here.</summary>
    private Named Function(int place)
    {
        string name = $"{_bytes.Line()}.{_bytes.Line()}";
        return name is OrderedDictionary or RebuildTensor or RebuildParameter || (name.StartsWith("torch.", StringComparison.Ordinal) && name.EndsWith(StorageSuffix, StringComparison.Ordinal) && name.Count(c => c == '.') == 1)
            ? new Named(name)
            : throw new InvalidDataException($"the name {name} at byte {place}, which other readers would run");
    }

    private object? Call(int place)
    {
        object?[] arguments = Pop() as object?[] ?? throw new InvalidDataException($"a call at byte {place} without arguments");
        return (Pop(), arguments) switch
        {
            (Named(OrderedDictionary), []) => new Dictionary<string, object?>(StringComparer.Ordinal),
            (Named(RebuildTensor), [Storage storage, long offset, object?[] shape, object?[] strides, ..]) => ViewOf(storage, offset, shape, strides, place),
            (Named(RebuildParameter), [TorchView view, ..]) => view,
            _ => throw new InvalidDataException($"a call at byte {place} that does not make a tensor or a dictionary"),
        };
    }

    private static TorchView ViewOf(Storage storage, long offset, object?[] shape, object?[] strides, int place) =>
        shape.Length == strides.Length && shape.Length <= MostDimensions && shape.All(size => size is >= 0L) && strides.All(stride => stride is >= 0L) && offset >= 0
            ? new TorchView(storage.Type, storage.Key, storage.Elements, offset, [.. shape.Cast<long>()], [.. strides.Cast<long>()])
            : throw new InvalidDataException($"a tensor at byte {place} whose sizes are not those of one");

    private static Storage StorageOf(object? reference, int place) => reference is object?[] and ["storage", Named { Name: var type }, string key, string, long elements] && type.EndsWith(StorageSuffix, StringComparison.Ordinal) && elements >= 0
        ? new Storage(type["torch.".Length..], key, elements)
        : throw new InvalidDataException($"a reference at byte {place} that is not to a storage");

    /// <summary>What <c>state_dict</c> remembers of versions, which tensors do not need.</summary>
    private void DropState(int place)
    {
        Pop();
        if (Peek() is not Dictionary<string, object?>)
        {
            throw new InvalidDataException($"a state at byte {place} for something else than a dictionary");
        }
    }

    private void SetItems(object?[] items, int place)
    {
        if (Peek() is not Dictionary<string, object?> dictionary || items.Length % 2 != 0)
        {
            throw new InvalidDataException($"entries at byte {place} for something else than a dictionary");
        }
        for (int i = 0; i < items.Length; i += 2)
        {
            string key = items[i] as string ?? throw new InvalidDataException($"a key at byte {place} that is not a text");
            if (!dictionary.TryAdd(key, items[i + 1]))
            {
                throw new InvalidDataException($"two entries '{key}' at byte {place}");
            }
        }
    }

    private object? Remembered(int number, int place) => _memo.TryGetValue(number, out object? value) ? value : throw new InvalidDataException($"the unknown memory {number} at byte {place}");

    private void Push(object? value) => _stack.Add(value);

    private object? Peek() => _stack is [.., var top] && top != Mark ? top : throw Underflow();

    private object? Pop()
    {
        object? top = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private object?[] PopMany(int count) => _stack.Count >= count ? Cut(_stack.Count - count) : throw Underflow();

    private object?[] PopToMark()
    {
        int mark = _stack.LastIndexOf(Mark);
        object?[] values = mark >= 0 ? Cut(mark + 1) : throw Underflow();
        _stack.RemoveAt(mark);
        return values;
    }

    private object?[] Cut(int first)
    {
        object?[] values = [.. _stack[first..]];
        _stack.RemoveRange(first, values.Length);
        return values.Contains(Mark) ? throw Underflow() : values;
    }

    private InvalidDataException Underflow() => new($"too few values before byte {_bytes.Position}");

    private sealed record Named(string Name);

    private sealed record Storage(string Type, string Key, long Elements);
}
