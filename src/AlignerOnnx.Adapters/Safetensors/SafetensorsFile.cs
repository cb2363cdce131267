using System.Buffers.Binary;
using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Adapters;

/// <summary>
/// Reads and writes safetensors: 8 bytes header length, a JSON header, the data. Files come from strangers: everything is checked before memory is taken for it.
/// Source: github.com/huggingface/safetensors, README, "Format".
/// </summary>
public static class SafetensorsFile
{
    private const int LengthBytes = 8;
    private const int MaximumHeaderBytes = 64 * 1024;

    private static readonly Dictionary<string, int> BytesOfType = new(StringComparer.Ordinal)
    {
        ["F64"] = 8, ["I64"] = 8, ["F32"] = 4, ["I32"] = 4, ["F16"] = 2, ["BF16"] = 2, ["U8"] = 1, ["BOOL"] = 1,
    };

    /// <summary>Reads all tensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maximumBytes">The largest file that is read.</param>
    /// <exception cref="AdapterRefusedException">The file is missing, too large or damaged.</exception>
    public static IReadOnlyDictionary<string, SafetensorsTensor> Read(string path, long maximumBytes)
    {
        FileInfo info = new(path);
        if (!info.Exists || info.Length > maximumBytes || info.Length < LengthBytes)
        {
            throw new AdapterRefusedException("The tensors cannot be read", path, info.Exists ? $"{info.Length} bytes" : "no such file", $"a safetensors file of at most {maximumBytes} bytes", "check the adapter folder");
        }
        byte[] file = File.ReadAllBytes(path);
        return Parse(file, path);
    }

    /// <summary>Reads all tensors from memory.</summary>
    /// <param name="file">The bytes of the file.</param>
    /// <param name="where">What errors name as the place.</param>
    /// <exception cref="AdapterRefusedException">The content is damaged.</exception>
    public static IReadOnlyDictionary<string, SafetensorsTensor> Parse(ReadOnlyMemory<byte> file, string where)
    {
        ulong header = file.Length < LengthBytes ? ulong.MaxValue : BinaryPrimitives.ReadUInt64LittleEndian(file.Span);
        if (header > MaximumHeaderBytes || (long)header > file.Length - LengthBytes)
        {
            throw Damaged(where, $"a header of {header} bytes in a file of {file.Length}", $"a header inside the file, of at most {MaximumHeaderBytes} bytes");
        }
        try
        {
            using JsonDocument json = JsonDocument.Parse(file.Slice(LengthBytes, (int)header), new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            return ReadEntries(json.RootElement, file[(LengthBytes + (int)header)..], where);
        }
        catch (Exception malformed) when (malformed is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or OverflowException)
        {
            throw new AdapterRefusedException("The tensors' header is malformed", where, malformed.Message, "a JSON object of dtype, shape and data_offsets", "get the adapter again", malformed);
        }
    }

    /// <summary>Writes tensors; readers that map the file find the data aligned to 8 bytes.</summary>
    public static void Write(Stream stream, IReadOnlyList<SafetensorsTensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(tensors);
        using MemoryStream header = new();
        using (Utf8JsonWriter json = new(header))
        {
            WriteHeader(json, tensors);
        }
        while (header.Length % 8 != 0)
        {
            header.WriteByte((byte)' ');
        }
        Span<byte> length = stackalloc byte[LengthBytes];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        header.WriteTo(stream);
        foreach (SafetensorsTensor tensor in tensors)
        {
            stream.Write(tensor.Data.Span);
        }
    }

    private static void WriteHeader(Utf8JsonWriter json, IReadOnlyList<SafetensorsTensor> tensors)
    {
        long offset = 0;
        json.WriteStartObject();
        foreach (SafetensorsTensor tensor in tensors)
        {
            json.WriteStartObject(tensor.Name);
            json.WriteString("dtype", tensor.DataType);
            json.WriteStartArray("shape");
            foreach (long dimension in tensor.Shape)
            {
                json.WriteNumberValue(dimension);
            }
            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(offset);
            json.WriteNumberValue(offset += tensor.Data.Length);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private static Dictionary<string, SafetensorsTensor> ReadEntries(JsonElement header, ReadOnlyMemory<byte> data, string where)
    {
        Dictionary<string, SafetensorsTensor> tensors = new(StringComparer.Ordinal);
        List<(long First, long Last)> regions = [];
        foreach (JsonProperty entry in header.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            string type = entry.Value.GetProperty("dtype").GetString() ?? "";
            long[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(dimension => dimension.GetInt64())];
            JsonElement offsets = entry.Value.GetProperty("data_offsets");
            if (offsets.GetArrayLength() != 2)
            {
                throw Damaged(where, $"tensor '{entry.Name}': {offsets.GetArrayLength()} data_offsets", "two");
            }
            (long first, long last) = (offsets[0].GetInt64(), offsets[1].GetInt64());
            if (!BytesOfType.TryGetValue(type, out int size) || Array.Exists(shape, dimension => dimension < 0)
                || first < 0 || last < first || last > data.Length || shape.Aggregate((long)size, (product, dimension) => checked(product * dimension)) != last - first)
            {
                throw Damaged(where, $"tensor '{entry.Name}': {type} [{string.Join(',', shape)}] at {first}..{last} of {data.Length}", "a known type whose shape fills its region of the data");
            }
            regions.Add((first, last));
            tensors.Add(entry.Name, new SafetensorsTensor(entry.Name, type, shape, data[(int)first..(int)last]));
        }
        RequireSeamless(regions, data.Length, where);
        return tensors;
    }

    /// <summary>Regions that overlap or leave holes could hide content.</summary>
    private static void RequireSeamless(List<(long First, long Last)> regions, long length, string where)
    {
        long end = 0;
        foreach ((long first, long last) in regions.Order())
        {
            if (first != end)
            {
                throw Damaged(where, $"a region that starts at {first} after one that ends at {end}", "regions side by side");
            }
            end = last;
        }
        if (end != length)
        {
            throw Damaged(where, $"{length - end} bytes behind the last tensor", "none");
        }
    }

    private static AdapterRefusedException Damaged(string where, string found, string expected) => new("The tensors are damaged", where, found, expected, "get the adapter again");
}
