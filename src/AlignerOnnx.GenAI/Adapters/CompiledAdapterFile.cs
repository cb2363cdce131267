using AlignerOnnx.Graph;
using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.GenAI;

/// <summary>The parameters that a compiled adapter (<c>.onnx_adapter</c>, a FlatBuffer with the identifier TORT) sets; their values are not read.</summary>
internal static class CompiledAdapterFile
{
    private const int MostParameters = 65536;
    private const int MostDimensions = 16;

    internal static IReadOnlyList<Slot> Read(string path) => Read(path, static (_, slot, _, _) => slot);

    /// <summary>As <see cref="Read(string)"/>, with the values.</summary>
    internal static IReadOnlyList<(Slot Slot, byte[] Values)> ReadValues(string path) => Read(path, static (file, slot, start, bytes) => (slot, file.Content(start, bytes)));

    private static List<T> Read<T>(string path, Func<FlatBufferFile, Slot, long, int, T> take)
    {
        if (!File.Exists(path))
        {
            throw new AdapterRefusedException("The compiled adapter is missing", path, remedy: "Make it with: aligner adapter compile");
        }
        try
        {
            using SafeFileHandle handle = File.OpenHandle(path);
            return Parameters(new FlatBufferFile(handle, RandomAccess.GetLength(handle)), path, take);
        }
        catch (InvalidDataException e)
        {
            throw new AdapterRefusedException("Not a compiled adapter, or a damaged one", path, e.Message, "an .onnx_adapter file", "Make it again with: aligner adapter compile", e);
        }
    }

    private static List<T> Parameters<T>(FlatBufferFile file, string path, Func<FlatBufferFile, Slot, long, int, T> take)
    {
        if (file.Length < 12 || file.Identifier != "TORT")
        {
            throw new InvalidDataException("the identifier TORT is missing");
        }
        RequireVersion(file, path);
        long field = file.Field(file.Root, 3);
        if (field == 0)
        {
            throw new InvalidDataException("it holds no parameters");
        }
        (long start, int count) = file.Vector(file.Offset(field), 4);
        if (count is 0 or > MostParameters)
        {
            throw new InvalidDataException($"it claims {count} parameters");
        }
        return [.. Enumerable.Range(0, count).Select(i => Parameter(file, file.Offset(start + (4L * i)), take))];
    }

    private static void RequireVersion(FlatBufferFile file, string path)
    {
        long field = file.Field(file.Root, 0);
        int version = field == 0 ? 0 : file.Int32(field);
        // The schema's default is 1, and ONNX Runtime 1.31 accepts nothing else.
        if (version is not (0 or 1))
        {
            throw new AdapterRefusedException("This version of the adapter format is not supported", path, $"{version}", "1");
        }
    }

    private static T Parameter<T>(FlatBufferFile file, long table, Func<FlatBufferFile, Slot, long, int, T> take)
    {
        string name = file.Text(file.Offset(Required(file, table, 0, "name")));
        long[] dimensions = Dimensions(file, file.Field(table, 1));
        long typeField = file.Field(table, 2);
        int type = typeField == 0 ? 0 : file.Int32(typeField);
        (long values, int bytes) = file.Vector(file.Offset(Required(file, table, 3, "values")), 1);
        if (ElementSize(type) is int size && Product(dimensions) * size != bytes)
        {
            throw new InvalidDataException($"parameter {name}, {Slot.Describe(type, dimensions)}, has {bytes} bytes");
        }
        return take(file, new Slot(name, type, dimensions), values, bytes);
    }

    private static long[] Dimensions(FlatBufferFile file, long field)
    {
        if (field == 0)
        {
            return [];
        }
        (long start, int count) = file.Vector(file.Offset(field), 8);
        return count <= MostDimensions
            ? [.. Enumerable.Range(0, count).Select(i => file.Int64(start + (8L * i)))]
            : throw new InvalidDataException($"a parameter has {count} dimensions");
    }

    private static long Product(long[] dimensions)
    {
        long product = 1;
        foreach (long dimension in dimensions)
        {
            if (dimension is < 0 or > int.MaxValue || (product *= dimension) > int.MaxValue)
            {
                throw new InvalidDataException($"the dimensions [{string.Join(',', dimensions)}] are out of range");
            }
        }
        return product;
    }

    private static long Required(FlatBufferFile file, long table, int index, string what) =>
        file.Field(table, index) is > 0 and long field ? field : throw new InvalidDataException($"a parameter has no {what}");

    private static int? ElementSize(int type) => type switch
    {
        1 => 4,
        10 or 16 => 2,
        _ => null,
    };
}
