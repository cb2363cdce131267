using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Where a tensor's bytes lie outside the .onnx file, checked against the file before anything reads them.</summary>
/// <param name="Location">The file's name, relative to the model's folder.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Number of bytes.</param>
public sealed record ExternalData(string Location, long Offset, long Length)
{
    /// <summary>Reads the entries of an external tensor and checks them without opening anything.</summary>
    /// <exception cref="ModelRefusedException">An entry is missing, malformed, or leaves the model's folder.</exception>
    public static ExternalData Of(TensorProto tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        string where = $"initializer '{tensor.Name}'";
        string? location = Entry(tensor, "location");
        if (string.IsNullOrEmpty(location))
        {
            throw new ModelRefusedException("External data has no location", where, remedy: "export the model again");
        }
        if (Path.IsPathRooted(location) || location.Contains('\\', StringComparison.Ordinal) || location.Split('/').Any(part => part is ".." or "" or "."))
        {
            throw new ModelRefusedException("External data leaves the model's folder", where, location, "a file in the model's folder", "do not use this model unless you know who made it");
        }
        long stored = ElementTypes.ByteLength((TensorProto.Types.DataType)tensor.DataType, ElementCount(tensor, where));
        long offset = Number(tensor, "offset", 0);
        long length = Number(tensor, "length", stored);
        if (offset < 0 || length != stored)
        {
            throw new ModelRefusedException("External data does not fit the tensor", where, $"offset {offset}, length {length}", $"length {stored} for its type and shape", "export the model again");
        }
        return new ExternalData(location, offset, length);
    }

    /// <summary>The full path of the data file, after checks that it is an ordinary file inside the folder and long enough.</summary>
    /// <exception cref="ModelRefusedException">The file is missing, a link, not an ordinary file, or too short.</exception>
    public string Resolve(string folder, string tensorName)
    {
        string where = $"initializer '{tensorName}'";
        FileInfo file = new(Path.Combine(folder, Location));
        if (!file.Exists)
        {
            throw new ModelRefusedException("A data file of the model is missing", where, $"no file {file.FullName}", "the external data beside the .onnx file", "copy the whole model folder, the data files too");
        }
        if (file.LinkTarget is not null || (file.Attributes & (FileAttributes.Device | FileAttributes.Directory)) != 0)
        {
            throw new ModelRefusedException("A data file of the model is a link or a device", where, file.FullName, "an ordinary file", "replace it by the file itself");
        }
        if (Offset > file.Length || Length > file.Length - Offset)
        {
            throw new ModelRefusedException("A data file of the model is too short", where, $"{file.FullName} has {file.Length} bytes", $"at least {(decimal)Offset + Length} bytes", "the copy is incomplete: copy the file again");
        }
        return file.FullName;
    }

    internal static byte[] Read(TensorProto tensor, string? folder)
    {
        ExternalData data = Of(tensor);
        if (folder is null)
        {
            throw new InvalidOperationException($"The model was not loaded from a file; the external data of '{tensor.Name}' has no folder.");
        }
        using SafeFileHandle handle = File.OpenHandle(data.Resolve(folder, tensor.Name));
        byte[] bytes = new byte[data.Length];
        int read = 0;
        while (read < bytes.Length)
        {
            int part = RandomAccess.Read(handle, bytes.AsSpan(read), data.Offset + read);
            if (part == 0)
            {
                throw new ModelRefusedException("A data file of the model became shorter while it was read", $"initializer '{tensor.Name}'");
            }
            read += part;
        }
        return bytes;
    }

    private static long ElementCount(TensorProto tensor, string where)
    {
        try
        {
            return tensor.Dims.Any(dimension => dimension < 0)
                ? throw new ModelRefusedException("A tensor has a negative dimension", where, $"[{string.Join(',', tensor.Dims)}]")
                : tensor.Dims.Aggregate(1L, (product, dimension) => checked(product * dimension));
        }
        catch (OverflowException overflow)
        {
            throw new ModelRefusedException("A tensor's size overflows", where, $"[{string.Join(',', tensor.Dims)}]", "a size that fits 63 bits", inner: overflow);
        }
    }

    private static string? Entry(TensorProto tensor, string key) => tensor.ExternalData.FirstOrDefault(entry => entry.Key == key)?.Value;

    private static long Number(TensorProto tensor, string key, long absent)
    {
        string? text = Entry(tensor, key);
        return text is null
            ? absent
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                ? number
                : throw new ModelRefusedException($"External data has a malformed {key}", $"initializer '{tensor.Name}'", text, "a number that is not negative");
    }
}
