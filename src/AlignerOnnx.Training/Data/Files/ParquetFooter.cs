using System.Buffers.Binary;

namespace AlignerOnnx.Training;

/// <summary>
/// Walks the footer of a Parquet file once with every bound checked, before the library reads it: Parquet.Net 6.1 goes on for ever where a footer's structure
/// does not end inside the footer. The encoding is Thrift's compact protocol: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
/// </summary>
internal ref struct ParquetFooter
{
    private const int MaximumDepth = 64;

    private ReadOnlySpan<byte> _rest;

    private ParquetFooter(ReadOnlySpan<byte> footer) => _rest = footer;

    /// <summary>Checks the footer of a file that ends with its length and "PAR1".</summary>
    /// <exception cref="InvalidDataException">It does not lie inside the file, or is damaged.</exception>
    public static void RequireSound(ReadOnlySpan<byte> file)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(file[^8..]);
        if (length > (uint)file.Length - 12)
        {
            throw new InvalidDataException($"a footer of {length} bytes in a file of {file.Length}");
        }
        ParquetFooter footer = new(file[..^8][^(int)length..]);
        footer.SkipStruct(depth: 0);
    }

    private void SkipStruct(int depth)
    {
        for (byte header = Byte(); header != 0; header = Byte())
        {
            if (header >> 4 == 0)
            {
                VarInt(); // The field's number, where it does not follow from the one before.
            }
            SkipValue(header & 0x0F, depth + 1, inCollection: false);
        }
    }

    private void SkipValue(int type, int depth, bool inCollection)
    {
        if (depth > MaximumDepth)
        {
            throw new InvalidDataException("values nested too deep in the footer");
        }
        switch (type)
        {
            // Fields carry a boolean in their type, elements of a list in a byte.
            case 1 or 2: Skip(inCollection ? 1UL : 0); break;
            case 3: Skip(1); break;
            case 4 or 5 or 6: VarInt(); break;
            case 7: Skip(8); break;
            case 8: Skip(VarInt()); break;
            case 9 or 10: SkipList(depth); break;
            case 11: SkipMap(depth); break;
            case 12: SkipStruct(depth); break;
            case 13: Skip(16); break;
            default: throw new InvalidDataException($"a value of type {type} in the footer");
        }
    }

    private void SkipList(int depth)
    {
        byte header = Byte();
        ulong count = header >> 4 == 15 ? VarInt() : (ulong)header >> 4;
        RequireRoom(count);
        for (ulong i = 0; i < count; i++)
        {
            SkipValue(header & 0x0F, depth + 1, inCollection: true);
        }
    }

    private void SkipMap(int depth)
    {
        ulong count = VarInt();
        RequireRoom(count);
        byte types = count == 0 ? (byte)0 : Byte();
        for (ulong i = 0; i < count; i++)
        {
            SkipValue(types >> 4, depth + 1, inCollection: true);
            SkipValue(types & 0x0F, depth + 1, inCollection: true);
        }
    }

    private ulong VarInt()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = Byte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
        throw new InvalidDataException("a number of more than 64 bits in the footer");
    }

    private byte Byte()
    {
        RequireRoom(1);
        byte value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    private void Skip(ulong count)
    {
        RequireRoom(count);
        _rest = _rest[(int)count..];
    }

    // Every value takes at least a byte, so this bounds loops as well.
    private readonly void RequireRoom(ulong count)
    {
        if (count > (ulong)_rest.Length)
        {
            throw new InvalidDataException("the footer ends inside a value");
        }
    }
}
