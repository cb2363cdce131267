using System.Buffers.Binary;
using System.IO.Compression;

namespace AlignerOnnx.Training;

/// <summary>Writes pictures as PNG (https://www.w3.org/TR/png-3/): eight bits of red, green and blue, no filters.</summary>
internal static class PngFile
{
    private const byte BitsPerChannel = 8;
    private const byte TrueColour = 2;
    private const int Channels = 3;
    private const uint Polynomial = 0xEDB88320;

    private static ReadOnlySpan<byte> Signature => [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Writes a picture.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="width">Pixels of a row.</param>
    /// <param name="pixels">Red, green and blue of each pixel, row by row from the top.</param>
    public static void Write(Stream output, int width, ReadOnlySpan<byte> pixels)
    {
        int row = width * Channels;
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], pixels.Length / row);
        (header[8], header[9]) = (BitsPerChannel, TrueColour);
        using MemoryStream packed = new();
        using (ZLibStream zlib = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            for (int start = 0; start < pixels.Length; start += row)
            {
                zlib.WriteByte(0);
                zlib.Write(pixels.Slice(start, row));
            }
        }
        output.Write(Signature);
        WriteChunk(output, "IHDR"u8, header);
        WriteChunk(output, "IDAT"u8, packed.ToArray());
        WriteChunk(output, "IEND"u8, []);
    }

    /// <summary>Length, type, content, and a checksum of the last two.</summary>
    private static void WriteChunk(Stream output, ReadOnlySpan<byte> type, ReadOnlySpan<byte> content)
    {
        Span<byte> number = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
        output.Write(number);
        output.Write(type);
        output.Write(content);
        BinaryPrimitives.WriteUInt32BigEndian(number, ~Crc32(Crc32(uint.MaxValue, type), content));
        output.Write(number);
    }

    /// <summary>Goes on with the CRC-32 of ISO 3309, which the processor's instruction does not compute: that is Castagnoli's.</summary>
    private static uint Crc32(uint crc, ReadOnlySpan<byte> content)
    {
        foreach (byte value in content)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ Polynomial;
            }
        }
        return crc;
    }
}
