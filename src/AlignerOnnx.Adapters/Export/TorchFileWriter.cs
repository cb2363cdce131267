using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace AlignerOnnx.Adapters;

/// <summary>Writes a dictionary of float32 tensors as <c>torch.save</c> does, so that <c>torch.load(FILE, weights_only=True)</c> reads it. Names may stand for the same values, which are then stored once.</summary>
internal sealed class TorchFileWriter
{
    private const string Root = "adapter";

    private readonly List<byte> _pickle = [];
    private readonly List<ReadOnlyMemory<float>> _storages = [];

    /// <summary>Writes a file.</summary>
    /// <param name="stream">A stream that can seek.</param>
    /// <param name="tensors">Names, shapes and values, row-major.</param>
    public static void Write(Stream stream, IReadOnlyList<(string Name, long[] Shape, ReadOnlyMemory<float> Values)> tensors)
    {
        TorchFileWriter writer = new();
        writer.Dictionary(tensors);
        using ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true);
        Entry(archive, "data.pkl", CollectionsMarshal.AsSpan(writer._pickle));
        Entry(archive, "byteorder", "little"u8);
        for (int key = 0; key < writer._storages.Count; key++)
        {
            Entry(archive, $"data/{key}", MemoryMarshal.AsBytes(writer._storages[key].Span));
        }
        Entry(archive, "version", "3\n"u8);
    }

    private static void Entry(ZipArchive archive, string name, ReadOnlySpan<byte> content)
    {
        ZipArchiveEntry entry = archive.CreateEntry($"{Root}/{name}", CompressionLevel.NoCompression);
        // The earliest that the format has: the same adapter gives the same bytes.
        entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using Stream stream = entry.Open();
        stream.Write(content);
    }

    private void Dictionary(IReadOnlyList<(string Name, long[] Shape, ReadOnlyMemory<float> Values)> tensors)
    {
        Code("\u0080\u0002}(");
        foreach ((string name, long[] shape, ReadOnlyMemory<float> values) in tensors)
        {
            Text(name);
            Tensor(shape, values);
        }
        Code("u.");
    }

    /// <summary><c>_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())</c>.</summary>
    private void Tensor(long[] shape, ReadOnlyMemory<float> values)
    {
        int key = _storages.IndexOf(values);
        if (key < 0)
        {
            key = _storages.Count;
            _storages.Add(values);
        }
        Code("ctorch._utils\n_rebuild_tensor_v2\n((");
        Text("storage");
        Code("ctorch\nFloatStorage\n");
        Text($"{key}");
        Text("cpu");
        Number(values.Length);
        Code("tQ");
        Number(0);
        Numbers(shape);
        Numbers([.. shape.Select((_, axis) => shape.Skip(axis + 1).Aggregate(1L, (product, size) => product * size))]);
        Code("\u0089ccollections\nOrderedDict\n)RtR");
    }

    private void Numbers(long[] numbers)
    {
        Code("(");
        foreach (long number in numbers)
        {
            Number((int)number);
        }
        Code("t");
    }

    private void Number(int number)
    {
        Code("J");
        Int32(number);
    }

    private void Text(string text)
    {
        Code("X");
        Int32(Encoding.UTF8.GetByteCount(text));
        _pickle.AddRange(Encoding.UTF8.GetBytes(text));
    }

    private void Int32(int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        _pickle.AddRange(bytes);
    }

    /// <summary>Instructions, one byte a character.</summary>
    private void Code(string instructions) => _pickle.AddRange(Encoding.Latin1.GetBytes(instructions));
}
