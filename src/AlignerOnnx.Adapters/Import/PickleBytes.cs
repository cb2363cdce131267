using System.Buffers.Binary;
using System.Text;

namespace AlignerOnnx.Adapters;

/// <summary>A place in the bytes of a pickle; nothing is read beyond their end.</summary>
internal sealed class PickleBytes(ReadOnlyMemory<byte> bytes)
{
    private const int LongestLine = 256;

    public int Position { get; private set; }

    public byte Byte() => Take(1)[0];

    public int UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    /// <summary>A whole number of up to 8 bytes, little-endian, in two's complement.</summary>
    public long Long(int length)
    {
        if (length > sizeof(long))
        {
            throw new InvalidDataException($"a number of {length} bytes at byte {Position}");
        }
        ReadOnlySpan<byte> stored = Take(length);
        long number = length > 0 && (stored[^1] & 0x80) != 0 ? -1 : 0;
        for (int i = length - 1; i >= 0; i--)
        {
            number = (number << 8) | stored[i];
        }
        return number;
    }

    public string Text(int length) => length >= 0 ? Encoding.UTF8.GetString(Take(length)) : throw new InvalidDataException($"a text of {(uint)length} bytes at byte {Position}");

    /// <summary>A line of ASCII, without its end.</summary>
    public string Line()
    {
        ReadOnlySpan<byte> rest = bytes.Span[Position..];
        int end = rest[..Math.Min(rest.Length, LongestLine)].IndexOf((byte)'\n');
        if (end < 0)
        {
            throw new InvalidDataException($"a name without an end at byte {Position}");
        }
        Position += end + 1;
        return Encoding.ASCII.GetString(rest[..end]);
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > bytes.Length - Position)
        {
            throw new InvalidDataException($"{count} bytes at byte {Position}, behind which {bytes.Length - Position} stand");
        }
        ReadOnlySpan<byte> taken = bytes.Span.Slice(Position, count);
        Position += count;
        return taken;
    }
}
