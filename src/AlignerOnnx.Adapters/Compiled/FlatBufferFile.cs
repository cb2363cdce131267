using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.Adapters;

/// <summary>Reads FlatBuffers structures straight from a file; every access is checked against the file's length, and no content is loaded.</summary>
internal sealed class FlatBufferFile(SafeFileHandle file, long length)
{
    private const int LongestName = 4096;

    internal long Length => length;

    internal long Root => Offset(0);

    internal string Identifier => Encoding.ASCII.GetString(Bytes(4, 4));

    /// <summary>Where the table's field stands; 0 where the file leaves it out.</summary>
    internal long Field(long table, int index)
    {
        long vtable = table - Int32(table);
        int slot = 4 + (2 * index);
        ushort size = UInt16(vtable);
        return slot + 2 <= size && UInt16(vtable + slot) is > 0 and ushort offset ? table + offset : 0;
    }

    /// <summary>Follows the reference at a place.</summary>
    internal long Offset(long at)
    {
        uint relative = BinaryPrimitives.ReadUInt32LittleEndian(Bytes(at, 4));
        return relative > 0 && at + relative < length ? at + relative : throw Damaged(at, "a reference leads outside the file");
    }

    /// <summary>The first element and the number of elements of a vector.</summary>
    internal (long Start, int Count) Vector(long at, int elementSize)
    {
        int count = Int32(at);
        return count >= 0 && at + 4 + ((long)count * elementSize) <= length ? (at + 4, count) : throw Damaged(at, "a vector reaches beyond the file");
    }

    internal string Text(long at)
    {
        (long start, int count) = Vector(at, 1);
        return count <= LongestName ? Encoding.UTF8.GetString(Bytes(start, count)) : throw Damaged(at, $"a name has {count} bytes");
    }

    /// <summary>The bytes of a vector, whose place <see cref="Vector"/> has checked.</summary>
    internal byte[] Content(long start, int count) => Bytes(start, count);

    internal int Int32(long at) => BinaryPrimitives.ReadInt32LittleEndian(Bytes(at, 4));

    internal long Int64(long at) => BinaryPrimitives.ReadInt64LittleEndian(Bytes(at, 8));

    private ushort UInt16(long at) => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(at, 2));

    private byte[] Bytes(long at, int count)
    {
        byte[] buffer = new byte[count];
        return at >= 0 && at + count <= length && RandomAccess.Read(file, buffer, at) == count ? buffer : throw Damaged(at, "a value lies outside the file");
    }

    private static InvalidDataException Damaged(long at, string why) => new($"{why} (at byte {at})");
}
