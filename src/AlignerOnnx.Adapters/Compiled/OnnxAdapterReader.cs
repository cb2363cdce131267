using AlignerOnnx.Graph;
using Microsoft.Win32.SafeHandles;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>Reads <c>.onnx_adapter</c> files of strangers: every reference, length and size is checked before it is followed.</summary>
internal static class OnnxAdapterReader
{
    private const int MostParameters = 65536;
    private const int MostDimensions = 16;

    /// <summary>The parameters that a file sets.</summary>
    /// <param name="path">The file.</param>
    /// <param name="withValues">Whether the values are read too; without them <see cref="AdapterParameter.Data"/> is empty.</param>
    internal static IReadOnlyList<AdapterParameter> Read(string path, bool withValues)
    {
        if (!File.Exists(path))
        {
            throw new AdapterRefusedException("The compiled adapter is missing", path, remedy: "Make it with: aligner adapter compile");
        }
        try
        {
            using SafeFileHandle handle = File.OpenHandle(path);
            return Parameters(new FlatBufferFile(handle, RandomAccess.GetLength(handle)), path, withValues);
        }
        catch (InvalidDataException e)
        {
            throw new AdapterRefusedException("Not a compiled adapter, or a damaged one", path, e.Message, "an .onnx_adapter file", "Make it again with: aligner adapter compile", e);
        }
    }

    private static List<AdapterParameter> Parameters(FlatBufferFile file, string path, bool withValues)
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
        return [.. Enumerable.Range(0, count).Select(i => Parameter(file, file.Offset(start + (4L * i)), withValues))];
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

    private static AdapterParameter Parameter(FlatBufferFile file, long table, bool withValues)
    {
        string name = file.Text(file.Offset(Required(file, table, 0, "name")));
        long[] dimensions = Dimensions(file, file.Field(table, 1));
        long typeField = file.Field(table, 2);
        DataType type = (DataType)(typeField == 0 ? 0 : file.Int32(typeField));
        (long values, int bytes) = file.Vector(file.Offset(Required(file, table, 3, "values")), 1);
        if (ElementSize(type) is int size && Product(dimensions) * size != bytes)
        {
            throw new InvalidDataException($"parameter {name}, {type} [{string.Join(',', dimensions)}], has {bytes} bytes");
        }
        return new AdapterParameter(name, type, dimensions, withValues ? file.Content(values, bytes) : ReadOnlyMemory<byte>.Empty);
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

    private static int? ElementSize(DataType type) => type switch
    {
        DataType.Float => 4,
        DataType.Float16 or DataType.Bfloat16 => 2,
        _ => null,
    };
}
