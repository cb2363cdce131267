using System.Text;
using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>Rows as JSON: one object a line (empty lines are skipped), or one array of objects.</summary>
internal static class JsonRows
{
    /// <summary>The longest line, 64 MiB: no row that fits a model is near it.</summary>
    public const int MaximumLine = 64 << 20;

    public static void Read(string path, ReadOnlySpan<byte> text, Action<DataPlace, JsonElement> take)
    {
        ReadOnlySpan<byte> rows = text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text;
        if (rows.TrimStart(" \t\r\n"u8) is [(byte)'[', ..])
        {
            ReadArray(path, rows, take);
        }
        else
        {
            ReadLines(path, rows, take);
        }
    }

    private static void ReadArray(string path, ReadOnlySpan<byte> text, Action<DataPlace, JsonElement> take)
    {
        using JsonDocument document = Parse(new DataPlace(path, "the array"), text);
        int row = 0;
        foreach (JsonElement element in document.RootElement.EnumerateArray())
        {
            take(new DataPlace(path, $"row {++row}"), element);
        }
    }

    private static void ReadLines(string path, ReadOnlySpan<byte> text, Action<DataPlace, JsonElement> take)
    {
        ReadOnlySpan<byte> rest = text;
        for (int line = 1; !rest.IsEmpty; line++)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> row = (end < 0 ? rest : rest[..end]).Trim(" \t\r"u8);
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (!row.IsEmpty)
            {
                DataPlace place = new(path, $"line {line}");
                RequireLength(place, row.Length);
                using JsonDocument document = Parse(place, row);
                take(place, document.RootElement);
            }
        }
    }

    private static void RequireLength(DataPlace place, int length)
    {
        if (length > MaximumLine)
        {
            throw place.Refuse("the line is too long", $"{length} bytes", $"at most {MaximumLine} bytes", "write one row on each line");
        }
    }

    private static JsonDocument Parse(DataPlace place, ReadOnlySpan<byte> text)
    {
        try
        {
            return JsonDocument.Parse(text.ToArray());
        }
        catch (JsonException error)
        {
            bool isObject = text is [(byte)'{' or (byte)'[', ..];
            throw place.Refuse("the data file holds a broken line", $"{Start(text)} ({Reason(error)})", isObject ? "one JSON object" : "one JSON object a line; neither CSV nor plain text is read",
                isObject ? "repair or remove that line" : "convert the file, or repair that line: {\"prompt\": \"...\", \"completion\": \"...\"}, for example", error);
        }
    }

    /// <summary>The parser's words without its own count of lines, which starts at 0 in each row.</summary>
    private static string Reason(JsonException error)
    {
        string words = error.Message.Split(" LineNumber:")[0].TrimEnd('.');
        return error is { LineNumber: 0, BytePositionInLine: long position } ? $"{words}, at byte {position + 1}" : words;
    }

    private static string Start(ReadOnlySpan<byte> text) => Encoding.UTF8.GetString(text[..Math.Min(text.Length, 80)]);
}
