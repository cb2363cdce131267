using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Unicode;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>A file of rows, whatever its format: JSON lines, one JSON array, either of them in gzip, or Parquet. The format is told by the content, not by the name.</summary>
internal sealed class DataFile
{
    /// <summary>Larger files are refused before they are read, and packed ones that unpack to more: 1 GiB.</summary>
    public const long MaximumBytes = 1L << 30;

    private readonly byte[] _content;
    private readonly bool _isParquet;

    private DataFile(string path, byte[] bytes)
    {
        Path = path;
        Hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        _content = GzipContent.Is(bytes) ? GzipContent.Unpack(path, bytes, MaximumBytes) : bytes;
        _isParquet = ParquetRows.Is(_content);
    }

    /// <summary>The file's path, as it was given.</summary>
    public string Path { get; }

    /// <summary>SHA-256 over the bytes of the file, 64 lower-case hexadecimal digits: what <c>sha256sum</c> prints.</summary>
    public string Hash { get; }

    /// <summary>Reads a file into memory.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DataRefusedException">It is missing, unreadable or too large.</exception>
    public static DataFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            throw new DataRefusedException("the data file cannot be read", path, "a folder", "a .jsonl, .json or .parquet file", "name the file itself");
        }
        try
        {
            long length = new FileInfo(path).Length;
            if (length > MaximumBytes)
            {
                throw new DataRefusedException("the data file is too large", path, $"{length} bytes", $"at most {MaximumBytes} bytes", "split the file");
            }
            return new DataFile(path, File.ReadAllBytes(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataRefusedException("the data file cannot be read", path, error.Message, "a readable .jsonl, .json or .parquet file", "check the path", error);
        }
    }

    /// <summary>Reads every row.</summary>
    /// <typeparam name="T">What a row becomes.</typeparam>
    /// <param name="read">Makes one row of its JSON value, which is gone when the call returns.</param>
    /// <returns>The rows in file order.</returns>
    /// <exception cref="DataRefusedException">The file is damaged or has no row, or a row is refused.</exception>
    public IReadOnlyList<T> ReadRows<T>(Func<DataPlace, JsonElement, T> read)
    {
        List<T> rows = [];
        if (_isParquet)
        {
            ParquetRows.Read(Path, _content, Take);
        }
        else
        {
            RequireText();
            JsonRows.Read(Path, _content, Take);
        }
        return rows.Count > 0 ? rows : throw new DataRefusedException("the data set is empty", Path, "no row", "at least one row", "give a file with one JSON object a line");

        void Take(DataPlace place, JsonElement row)
        {
            try
            {
                rows.Add(read(place, row));
            }
            catch (InvalidOperationException halfCharacter)
            {
                // The reader throws it for an escape such as \ud800, half of a character.
                throw place.Refuse("a text of the row is not Unicode", halfCharacter.Message, "whole characters", "repair or remove that row", halfCharacter);
            }
        }
    }

    /// <summary>The content as text.</summary>
    /// <exception cref="DataRefusedException">It is not UTF-8.</exception>
    public string ReadText()
    {
        RequireText();
        return System.Text.Encoding.UTF8.GetString(_content).TrimStart('\uFEFF');
    }

    private void RequireText()
    {
        if (!Utf8.IsValid(_content))
        {
            int line = 1 + _content.AsSpan(0, FirstBadByte()).Count((byte)'\n');
            (string found, string encoding) = IsUtf16 ? ("UTF-16 with its byte order mark", "UTF-16") : ("a byte sequence that is no character", "LATIN1");
            throw new DataPlace(Path, $"line {line}").Refuse("the data file is not UTF-8 text", found, "UTF-8", $"convert the file: iconv -f {encoding} -t UTF-8, for example");
        }
    }

    /// <summary>What Windows PowerShell's <c>&gt;</c> and some editors write.</summary>
    private bool IsUtf16 => _content is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..];

    private int FirstBadByte()
    {
        ReadOnlySpan<byte> rest = _content;
        while (System.Text.Rune.DecodeFromUtf8(rest, out _, out int consumed) == OperationStatus.Done)
        {
            rest = rest[consumed..];
        }
        return _content.Length - rest.Length;
    }
}
