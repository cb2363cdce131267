using System.IO.Compression;
using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>
/// Reads a state dictionary that <c>torch.save</c> wrote: a zip archive of the pickle <c>data.pkl</c> and one uncompressed entry for each storage. Files come from strangers: nothing in them
/// is run, and nothing is read that is larger than the file itself. Source: github.com/pytorch/pytorch, torch/serialization.py.
/// </summary>
internal static class TorchFile
{
    private const string Pickle = "/data.pkl";
    private const long MaximumPickleBytes = 1 << 20;
    private const int MaximumEntries = 4096;

    private static ReadOnlySpan<byte> LegacyStart => [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

    /// <summary>Reads all tensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maximumBytes">The largest file that is read.</param>
    /// <exception cref="AdapterRefusedException">The file is missing, too large, damaged, of another kind, or holds something else than tensors.</exception>
    public static IReadOnlyDictionary<string, ForeignTensor> Read(string path, long maximumBytes)
    {
        FileInfo info = new(path);
        if (!info.Exists || info.Length > maximumBytes)
        {
            throw new AdapterRefusedException("The checkpoint cannot be read", path, info.Exists ? $"{info.Length} bytes" : "no such file", $"a checkpoint of at most {maximumBytes} bytes", "name the checkpoint of tokens and gates, without the model's weights");
        }
        byte[] file = File.ReadAllBytes(path);
        RequireArchive(file, path);
        try
        {
            using ZipArchive archive = new(new MemoryStream(file, writable: false));
            return Tensors(archive, file.Length);
        }
        catch (Exception damaged) when (damaged is InvalidDataException or EndOfStreamException or OverflowException)
        {
            throw new AdapterRefusedException("The checkpoint is damaged, or is not a dictionary of tensors", path, damaged.Message, "what torch.save writes for a state dictionary; nothing in it was run", "get the checkpoint again, or save only the tensors of its tokens and gates", damaged);
        }
    }

    private static void RequireArchive(byte[] file, string path)
    {
        if (file.AsSpan().StartsWith(LegacyStart))
        {
            throw new AdapterRefusedException("The checkpoint is in the old format of torch", path, "a bare pickle, as torch wrote before version 1.6", "a zip archive",
                "load it and save it again where you trust it: torch.save(torch.load(FILE, weights_only=True), NEW)");
        }
        if (!file.AsSpan().StartsWith("PK\x03\x04"u8))
        {
            throw new AdapterRefusedException("The file is not a checkpoint of torch", path, file is [] ? "an empty file" : $"a file that starts with {Convert.ToHexStringLower(file.AsSpan(0, Math.Min(8, file.Length)))}", "a zip archive, as torch.save writes",
                "check what was downloaded");
        }
        if (file.AsSpan().Count("PK\x01\x02"u8) is > MaximumEntries and var entries)
        {
            throw new AdapterRefusedException("The checkpoint has too many entries", path, $"{entries}", $"at most {MaximumEntries}", "name the checkpoint of tokens and gates, without the model's weights");
        }
    }

    private static Dictionary<string, ForeignTensor> Tensors(ZipArchive archive, long fileLength)
    {
        Dictionary<string, ZipArchiveEntry> entries = new(StringComparer.Ordinal);
        long total = 0;
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            if (!entries.TryAdd(entry.FullName, entry))
            {
                throw new InvalidDataException($"two entries {entry.FullName}");
            }
            // Entries may lie over each other or be packed: together they must fit the file that was read.
            if (entry.Length != entry.CompressedLength || (total += entry.Length) > fileLength)
            {
                throw new InvalidDataException($"entry {entry.FullName} of {entry.Length} bytes from {entry.CompressedLength} in a file of {fileLength}; torch packs nothing");
            }
        }
        string pickle = entries.Keys.SingleOrDefault(name => name.EndsWith(Pickle, StringComparison.Ordinal)) ?? throw new InvalidDataException($"no entry *{Pickle}");
        string root = pickle[..^Pickle.Length];
        if (entries.TryGetValue($"{root}/byteorder", out ZipArchiveEntry? order) && !Bytes(order).AsSpan().SequenceEqual("little"u8))
        {
            throw new InvalidDataException("bytes in big-endian order");
        }
        if (entries[pickle].Length > MaximumPickleBytes)
        {
            throw new InvalidDataException($"{pickle} of {entries[pickle].Length} bytes, more than {MaximumPickleBytes}");
        }
        Dictionary<string, byte[]> storages = new(StringComparer.Ordinal);
        byte[] StorageOf(string key) => storages.TryGetValue(key, out byte[]? bytes) ? bytes
            : storages[key] = Bytes(entries.GetValueOrDefault($"{root}/data/{key}") ?? throw new InvalidDataException($"no entry {root}/data/{key}"));
        // Many names may stand for the same numbers, which are decoded once; numbers that overlap may not make more of the file than it has.
        Dictionary<(string Storage, long Offset, long Count), float[]> decoded = [];
        return TorchPickle.Read(Bytes(entries[pickle])).ToDictionary(view => view.Key, view =>
        {
            (TorchView tensor, long count) = (view.Value, view.Value.Shape.Aggregate(1L, (product, size) => checked(product * size)));
            RequireRowMajor(view.Key, tensor);
            if (!decoded.TryGetValue((tensor.StorageKey, tensor.Offset, count), out float[]? values))
            {
                decoded.Add((tensor.StorageKey, tensor.Offset, count), values = Decode(view.Key, tensor, count, StorageOf(tensor.StorageKey)));
                total = decoded.Values.Sum(each => (long)each.Length);
            }
            return total <= fileLength ? new ForeignTensor(tensor.Shape, values) : throw new InvalidDataException("tensors that overlap");
        }, StringComparer.Ordinal);
    }

    private static float[] Decode(string name, TorchView view, long count, byte[] storage)
    {
        DataType type = view.StorageType switch
        {
            "FloatStorage" => DataType.Float,
            "HalfStorage" => DataType.Float16,
            "BFloat16Storage" => DataType.Bfloat16,
            _ => throw new InvalidDataException($"'{name}' of {view.StorageType}; expected float32, float16 or bfloat16"),
        };
        int width = ElementTypes.Bits(type) / 8;
        return storage.Length == checked(view.StorageElements * width) && view.Offset <= view.StorageElements - count
            ? FloatEncoding.ToSingles(storage.AsSpan((int)view.Offset * width, (int)count * width), type)
            : throw new InvalidDataException($"'{name}' of {count} elements from {view.Offset} in a storage of {view.StorageElements}, which has {storage.Length} bytes");
    }

    private static void RequireRowMajor(string name, TorchView view)
    {
        long step = 1;
        for (int axis = view.Shape.Length - 1; axis >= 0; axis--)
        {
            if (view.Shape[axis] > 1 && view.Strides[axis] != step)
            {
                throw new InvalidDataException($"'{name}' with strides [{string.Join(',', view.Strides)}]; expected the order of [{string.Join(',', view.Shape)}]");
            }
            step = checked(step * view.Shape[axis]);
        }
    }

    private static byte[] Bytes(ZipArchiveEntry entry)
    {
        byte[] bytes = new byte[entry.Length];
        using Stream stream = entry.Open();
        stream.ReadExactly(bytes);
        return bytes;
    }
}
