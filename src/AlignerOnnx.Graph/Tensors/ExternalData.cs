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
    private const int MostCharacters = 1024;

    /// <summary>Reads the entries of an external tensor and checks them without opening anything.</summary>
    /// <exception cref="ModelRefusedException">An entry is missing, malformed, or leaves the model's folder.</exception>
    public static ExternalData Of(TensorProto tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        string where = $"initializer '{tensor.Name}'";
        if (tensor.ExternalData.GroupBy(entry => entry.Key).FirstOrDefault(group => group.Skip(1).Any()) is { } twice)
        {
            throw new ModelRefusedException("External data has an entry twice", where, $"two entries '{twice.Key}'", "each entry once", "export the model again");
        }
        string? location = Entry(tensor, "location");
        if (string.IsNullOrEmpty(location))
        {
            throw new ModelRefusedException("External data has no location", where, remedy: "export the model again");
        }
        if (Leaves(location) || Leaves(Uri.UnescapeDataString(location)))
        {
            throw new ModelRefusedException("External data leaves the model's folder", where, Printable(location), "a file in the model's folder", "do not use this model unless you know who made it");
        }
        long stored = TensorChecks.ByteLength(tensor);
        if ((TensorProto.Types.DataType)tensor.DataType == TensorProto.Types.DataType.String)
        {
            throw new ModelRefusedException("Strings cannot be external data", where, remedy: "export the model again");
        }
        long offset = Number(tensor, "offset", 0);
        long length = Number(tensor, "length", stored);
        if (length != stored || offset > long.MaxValue - length)
        {
            throw new ModelRefusedException("External data does not fit the tensor", where, $"offset {offset}, length {length}", $"length {stored} for its type and shape", "export the model again");
        }
        return new ExternalData(location, offset, length);
    }

    /// <summary>Opens the data file, after checks that it is an ordinary file inside the folder, not behind a link, and long enough.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="tensorName">The tensor, for the refusal.</param>
    /// <exception cref="ModelRefusedException">The file is missing, a link, not an ordinary file, or too short.</exception>
    public SafeFileHandle Open(string folder, string tensorName)
    {
        SafeFileHandle file = OrdinaryFile.OpenInside(folder, Location, $"initializer '{tensorName}'");
        long length = RandomAccess.GetLength(file);
        if (Offset <= length && Length <= length - Offset)
        {
            return file;
        }
        file.Dispose();
        throw TooShort(folder, tensorName, length);
    }

    /// <summary>Makes these the entries of a tensor.</summary>
    /// <param name="tensor">The tensor; entries of other kinds, such as a checksum of other bytes, go.</param>
    public void WriteTo(TensorProto tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
        tensor.ExternalData.Clear();
        foreach ((string key, string value) in (ReadOnlySpan<(string, string)>)[("location", Location), ("offset", Text(Offset)), ("length", Text(Length))])
        {
            tensor.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
        }
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    internal ModelRefusedException TooShort(string folder, string tensorName, long length) => new(
        "A data file of the model is too short", $"initializer '{tensorName}'", $"{Path.Combine(folder, Location)} has {length} bytes", $"at least {(decimal)Offset + Length} bytes", "the copy is incomplete: copy the file again");

    /// <summary>Parts that climb, drives, devices of Windows, and characters that some layer below reads as an end or a separator.</summary>
    private static bool Leaves(string location) =>
        location.Length > MostCharacters || Path.IsPathRooted(location) || location.Any(letter => letter is '\\' or '\uFFFD' || char.IsControl(letter))
        || (location.Length > 1 && location[1] == ':') || (OperatingSystem.IsWindows() && location.Contains(':', StringComparison.Ordinal))
        || location.Split('/').Any(part => part is ".." or "" or "." || part.EndsWith('.') || part.EndsWith(' ') || IsDevice(part));

    private static bool IsDevice(string part)
    {
        string name = part.Split('.')[0].TrimEnd().ToUpperInvariant();
        return name is "CON" or "PRN" or "AUX" or "NUL" or "CONIN$" or "CONOUT$"
            || (name.Length == 4 && (name.StartsWith("COM", StringComparison.Ordinal) || name.StartsWith("LPT", StringComparison.Ordinal)) && char.IsDigit(name[3]));
    }

    private static string Printable(string text) =>
        string.Concat(text.Take(MostCharacters).Select(letter => char.IsControl(letter) ? $"\\x{(int)letter:x2}" : letter.ToString()));

    private static string? Entry(TensorProto tensor, string key) => tensor.ExternalData.FirstOrDefault(entry => entry.Key == key)?.Value;

    private static long Number(TensorProto tensor, string key, long absent)
    {
        string? text = Entry(tensor, key);
        return text is null
            ? absent
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                ? number
                : throw new ModelRefusedException($"External data has a malformed {key}", $"initializer '{tensor.Name}'", Printable(text), "a number that is not negative and fits 63 bits", "export the model again");
    }
}
