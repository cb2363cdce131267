using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// A supervised data set read from a file. Accepted: JSON lines (one object a line, empty lines are skipped) or one JSON array of objects. Each object is
/// one of <c>{"messages": [{"role", "content"}, ...]}</c> (the last assistant turn is learnt), <c>{"prompt", "completion"}</c> (two strings or two lists of
/// messages) and <c>{"input_ids", "labels"}</c> (already tokenised, -100 = not learnt). These are the shapes of TRL's and OpenAI's fine-tuning files.
/// </summary>
public sealed class ConversationDataSet
{
    /// <summary>Larger files are refused before they are read: 1 GiB.</summary>
    public const long MaximumFileBytes = 1L << 30;

    private ConversationDataSet(string path, IReadOnlyList<DataRow> rows, string dataHash)
    {
        Path = path;
        Rows = rows;
        DataHash = dataHash;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The rows in file order; at least one.</summary>
    public IReadOnlyList<DataRow> Rows { get; }

    /// <summary>SHA-256 over the bytes of the file, 64 lower-case hexadecimal digits: what <c>sha256sum</c> prints.</summary>
    public string DataHash { get; }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">A .jsonl or .json file in UTF-8.</param>
    /// <returns>The rows, not tokenised.</returns>
    /// <exception cref="DataRefusedException">The file is missing, too large or empty, or a row is broken; the message names the line.</exception>
    public static ConversationDataSet Read(string path)
    {
        byte[] bytes = ReadBytes(path);
        List<DataRow> rows = StartsAnArray(bytes) ? ReadArray(path, bytes) : ReadLines(path, bytes);
        if (rows.Count == 0)
        {
            throw new DataRefusedException("the data set is empty", path, "no row", "at least one row", "give a file with one JSON object a line");
        }
        return new ConversationDataSet(path, rows, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    private static byte[] ReadBytes(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            long length = new FileInfo(path).Length;
            if (length > MaximumFileBytes)
            {
                throw new DataRefusedException("the data file is too large", path, $"{length} bytes", $"at most {MaximumFileBytes} bytes", "split the file");
            }
            return File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataRefusedException("the data file cannot be read", path, error.Message, "a readable .jsonl or .json file", "check the path", error);
        }
    }

    private static bool StartsAnArray(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> text = WithoutByteOrderMark(bytes).TrimStart(" \t\r\n"u8);
        return !text.IsEmpty && text[0] == (byte)'[';
    }

    private static List<DataRow> ReadArray(string path, byte[] bytes)
    {
        using JsonDocument document = Parse(WithoutByteOrderMark(bytes), path, "the array");
        List<DataRow> rows = [];
        foreach (JsonElement element in document.RootElement.EnumerateArray())
        {
            rows.Add(new DataRowReader(path, $"row {rows.Count + 1}").Read(element));
        }
        return rows;
    }

    private static List<DataRow> ReadLines(string path, byte[] bytes)
    {
        List<DataRow> rows = [];
        ReadOnlySpan<byte> rest = WithoutByteOrderMark(bytes);
        for (int line = 1; !rest.IsEmpty; line++)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> text = (end < 0 ? rest : rest[..end]).Trim(" \t\r"u8);
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (!text.IsEmpty)
            {
                string place = $"line {line}";
                using JsonDocument document = Parse(text, path, place);
                rows.Add(new DataRowReader(path, place).Read(document.RootElement));
            }
        }
        return rows;
    }

    private static JsonDocument Parse(ReadOnlySpan<byte> text, string path, string place)
    {
        try
        {
            return JsonDocument.Parse(text.ToArray());
        }
        catch (JsonException error)
        {
            throw new DataRefusedException("the data file holds a broken line", $"{path}, {place}", $"{Start(text)} ({error.Message})", "one JSON object", "repair or remove that line", error);
        }
    }

    private static string Start(ReadOnlySpan<byte> text) => Encoding.UTF8.GetString(text[..Math.Min(text.Length, 80)]);

    private static ReadOnlySpan<byte> WithoutByteOrderMark(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith(Encoding.UTF8.Preamble) ? bytes[Encoding.UTF8.Preamble.Length..] : bytes;
}
