using System.Collections;
using System.Globalization;
using System.Text.Json;
using AlignerOnnx.Graph;
using Parquet;
using Parquet.Serialization;

namespace AlignerOnnx.Training;

/// <summary>Rows of a Parquet file, each as the JSON object that it would be in JSON lines; columns without a value are left out.</summary>
internal static class ParquetRows
{
    private const int MaximumRows = 10_000_000;
    private const int MaximumValues = 50_000_000;

    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    public static bool Is(ReadOnlySpan<byte> bytes) => bytes.StartsWith(Magic);

    public static void Read(string path, byte[] bytes, Action<DataPlace, JsonElement> take)
    {
        int row = 0;
        int groups = Guard(path, () => RequireSound(path, bytes));
        for (int group = 0; group < groups; group++)
        {
            foreach (IDictionary<string, object> values in Guard(path, () => ReadGroup(bytes, group)))
            {
                using JsonDocument document = Guard(path, () => ToJson(values));
                take(new DataPlace(path, $"row {++row}"), document.RootElement);
            }
        }
    }

    /// <summary>Compares what the file says of itself with its own size before anything is unpacked.</summary>
    /// <returns>The number of row groups.</returns>
    private static int RequireSound(string path, byte[] bytes)
    {
        if (bytes.Length < 12 || !bytes.AsSpan(bytes.Length - Magic.Length).SequenceEqual(Magic))
        {
            throw Refuse(path, $"{bytes.Length} bytes without the closing PAR1");
        }
        ParquetFooter.RequireSound(bytes);
        using MemoryStream stream = new(bytes, writable: false);
        ParquetReader reader = Wait(ParquetReader.CreateAsync(stream));
        long rows = 0;
        long unpacked = 0;
        long values = 0;
        foreach (Parquet.Meta.RowGroup group in reader.Metadata?.RowGroups ?? [])
        {
            rows = checked(rows + NotNegative(group.NumRows));
            foreach (Parquet.Meta.ColumnChunk column in group.Columns)
            {
                unpacked = checked(unpacked + NotNegative(column.MetaData?.TotalUncompressedSize ?? 0));
                values = Math.Max(values, column.MetaData?.NumValues ?? 0);
            }
        }
        return rows <= MaximumRows && values <= MaximumValues && unpacked <= DataFile.MaximumBytes
            ? reader.RowGroupCount
            : throw new DataRefusedException("the Parquet file is too large", path, $"{rows} rows, {values} values in a column, {unpacked} bytes once unpacked", $"at most {MaximumRows} rows, {MaximumValues} values in a column of a group, {DataFile.MaximumBytes} bytes", "split the file");
    }

    private static long NotNegative(long size) => size >= 0 ? size : throw new InvalidDataException("a size that cannot be");

    private static IReadOnlyList<IDictionary<string, object>> ReadGroup(byte[] bytes, int group)
    {
        using MemoryStream stream = new(bytes, writable: false);
        return [.. Wait(ParquetSerializer.DeserializeUntypedAsync(stream, options: null, group)).Data];
    }

    private static JsonDocument ToJson(IDictionary<string, object> row)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream))
        {
            Write(writer, row, depth: 0);
        }
        return JsonDocument.Parse(stream.GetBuffer().AsMemory(0, (int)stream.Length));
    }

    private static void Write(Utf8JsonWriter writer, object value, int depth)
    {
        if (depth > 32)
        {
            throw new InvalidDataException("values nested more than 32 deep");
        }
        switch (value)
        {
            case string text: writer.WriteStringValue(text); break;
            case ReadOnlyMemory<char> characters: writer.WriteStringValue(characters.Span); break;
            case bool flag: writer.WriteBooleanValue(flag); break;
            case float or double or decimal when double.IsFinite(Convert.ToDouble(value, CultureInfo.InvariantCulture)): writer.WriteNumberValue(Convert.ToDouble(value, CultureInfo.InvariantCulture)); break;
            case sbyte or byte or short or ushort or int or uint or long: writer.WriteNumberValue(Convert.ToInt64(value, CultureInfo.InvariantCulture)); break;
            case byte[] bytes: writer.WriteStringValue(bytes); break;
            case ReadOnlyMemory<byte> binary: writer.WriteStringValue(binary.Span); break;
            case IDictionary fields: WriteObject(writer, fields, depth); break;
            case IEnumerable list: WriteList(writer, list, depth); break;
            default: writer.WriteStringValue(Convert.ToString(value, CultureInfo.InvariantCulture)); break;
        }
    }

    private static void WriteObject(Utf8JsonWriter writer, IDictionary fields, int depth)
    {
        writer.WriteStartObject();
        foreach (DictionaryEntry field in fields)
        {
            if (field.Value is not null)
            {
                writer.WritePropertyName((string)field.Key);
                Write(writer, field.Value, depth + 1);
            }
        }
        writer.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter writer, IEnumerable list, int depth)
    {
        writer.WriteStartArray();
        foreach (object? element in list)
        {
            if (element is null)
            {
                writer.WriteNullValue();
            }
            else
            {
                Write(writer, element, depth + 1);
            }
        }
        writer.WriteEndArray();
    }

    // The content is in memory: nothing is waited for.
    private static T Wait<T>(Task<T> reading) => reading.GetAwaiter().GetResult();

    private static T Guard<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (RefusedException)
        {
            throw;
        }
#pragma warning disable CA1031 // The library answers damage with whatever its arithmetic ends in, from a null reference to an overflow; each of them means the same to the user.
        catch (Exception damage)
#pragma warning restore CA1031
        {
            throw Refuse(path, damage.Message, damage);
        }
    }

    private static DataRefusedException Refuse(string path, string found, Exception? damage = null) =>
        new("the Parquet file is damaged", path, found, "a whole Parquet file", "get the file again, or write it as JSON lines", damage);
}
