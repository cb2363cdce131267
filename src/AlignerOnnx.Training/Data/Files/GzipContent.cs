using System.Buffers.Binary;
using System.IO.Compression;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>Data in gzip.</summary>
internal static class GzipContent
{
    public static bool Is(ReadOnlySpan<byte> bytes) => bytes.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]);

    /// <summary>Unpacks twice: first only to learn the length, so that a small file which claims gigabytes never gets them.</summary>
    public static byte[] Unpack(string path, byte[] packed, long most)
    {
        try
        {
            long length = Length(packed, most);
            if (length > most)
            {
                throw new DataRefusedException("the packed data is too large", path, $"more than {most} bytes once unpacked", $"at most {most} bytes", "split the file");
            }
            RequireTrailer(packed, length);
            byte[] content = new byte[length];
            using Stream stream = Open(packed);
            stream.ReadExactly(content);
            return content;
        }
        catch (Exception damaged) when (damaged is InvalidDataException or EndOfStreamException)
        {
            throw new DataRefusedException("the gzip file is damaged", path, damaged.Message, "a whole gzip file", "get the file again, and try gzip -t on it", damaged);
        }
    }

    private static long Length(byte[] packed, long most)
    {
        using Stream stream = Open(packed);
        byte[] buffer = new byte[1 << 16];
        long length = 0;
        for (int read = stream.Read(buffer); read > 0 && length <= most; read = stream.Read(buffer))
        {
            length += read;
        }
        return length;
    }

    /// <summary>The platform's reader does not notice that the end is missing; the last four bytes are the length of the last part of the content.</summary>
    private static void RequireTrailer(byte[] packed, long length)
    {
        if (packed.Length < 18 || BinaryPrimitives.ReadUInt32LittleEndian(packed.AsSpan(packed.Length - sizeof(uint))) > length)
        {
            throw new InvalidDataException("the end is missing");
        }
    }

    private static GZipStream Open(byte[] packed) => new(new MemoryStream(packed), CompressionMode.Decompress);
}
