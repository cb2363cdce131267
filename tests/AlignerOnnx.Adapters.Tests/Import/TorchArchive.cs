using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Import;

/// <summary>Writes files as <c>torch.save</c> does, and such as it would not: pickle instruction by instruction, and the zip archive around it.</summary>
internal sealed class TorchArchive
{
    private readonly List<byte> _pickle = [];
    private readonly List<byte[]> _storages = [];

    /// <summary>A state dictionary.</summary>
    public static TorchArchive Of(DataType type, params IEnumerable<(string Name, long[] Shape, float[] Values)> tensors)
    {
        TorchArchive archive = new TorchArchive().Raw(0x80, 2).Raw("}(");
        foreach ((string name, long[] shape, float[] values) in tensors)
        {
            archive.Text(name).Tensor(type, shape, values);
        }
        return archive.Raw("u.");
    }

    public TorchArchive Raw(params byte[] instructions)
    {
        _pickle.AddRange(instructions);
        return this;
    }

    public TorchArchive Raw(string instructions) => Raw(Encoding.ASCII.GetBytes(instructions));

    public TorchArchive Text(string text) => Raw("X").Number(Encoding.UTF8.GetByteCount(text)).Raw(Encoding.UTF8.GetBytes(text));

    public TorchArchive Int(long number) => Raw("J").Number((int)number);

    public TorchArchive Numbers(params IEnumerable<long> numbers)
    {
        Raw("(");
        foreach (long number in numbers)
        {
            Int(number);
        }
        return Raw("t");
    }

    public TorchArchive Global(string module, string name) => Raw($"c{module}\n{name}\n");

    /// <summary>A tensor with a storage of its own.</summary>
    public TorchArchive Tensor(DataType type, long[] shape, float[] values)
    {
        _storages.Add(FloatEncoding.ToBytes(values, type));
        return View(StorageOf(type), $"{_storages.Count - 1}", values.Length, 0, shape, RowMajor(shape));
    }

    /// <summary>A tensor of any storage, sound or not.</summary>
    public TorchArchive View(string storage, string key, long elements, long offset, long[] shape, long[] strides) => Global("torch._utils", "_rebuild_tensor_v2")
        .Raw("((").Text("storage").Global("torch", storage).Text(key).Text("cuda:0").Int(elements).Raw("tQ").Int(offset).Numbers(shape).Numbers(strides).Raw(0x89).Global("collections", "OrderedDict").Raw(")RtR");

    public TorchArchive Storage(DataType type, float[] values)
    {
        _storages.Add(FloatEncoding.ToBytes(values, type));
        return this;
    }

    /// <summary>The file.</summary>
    public byte[] ToBytes(CompressionLevel level = CompressionLevel.NoCompression, string byteOrder = "little")
    {
        using MemoryStream stream = new();
        using (ZipArchive zip = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Entry(zip, "epoch-1/data.pkl", [.. _pickle], level);
            Entry(zip, "epoch-1/byteorder", Encoding.ASCII.GetBytes(byteOrder), CompressionLevel.NoCompression);
            for (int key = 0; key < _storages.Count; key++)
            {
                Entry(zip, $"epoch-1/data/{key}", _storages[key], level);
            }
            Entry(zip, "epoch-1/version", "3\n"u8.ToArray(), CompressionLevel.NoCompression);
        }
        return stream.ToArray();
    }

    private TorchArchive Number(int number)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return Raw(bytes);
    }

    private static void Entry(ZipArchive zip, string name, byte[] content, CompressionLevel level)
    {
        using Stream entry = zip.CreateEntry(name, level).Open();
        entry.Write(content);
    }

    private static string StorageOf(DataType type) => type switch
    {
        DataType.Float16 => "HalfStorage",
        DataType.Bfloat16 => "BFloat16Storage",
        _ => "FloatStorage",
    };

    private static long[] RowMajor(long[] shape)
    {
        long[] strides = new long[shape.Length];
        long step = 1;
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            strides[axis] = step;
            step *= shape[axis];
        }
        return strides;
    }
}
