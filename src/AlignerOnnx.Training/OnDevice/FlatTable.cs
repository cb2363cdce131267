using System.Buffers.Binary;
using System.Text;

namespace AlignerOnnx.Training;

/// <summary>
/// One table of a FlatBuffer that a stranger may have written: every offset and length is checked against the file before it is followed, and nothing is allocated that
/// the file is not long enough to hold. Damage is a <see cref="FormatException"/>.
/// </summary>
internal sealed class FlatTable
{
    private const long LongestText = 1024;
    private readonly ReadOnlyMemory<byte> _file;
    private readonly long _start;
    private readonly long _fields;
    private readonly int _fieldBytes;

    private FlatTable(ReadOnlyMemory<byte> file, long start)
    {
        _file = file;
        _start = start;
        _fields = start - Signed32(start);
        _fieldBytes = Unsigned16(_fields);
    }

    /// <summary>The table that a file starts with.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="identifier">The four letters that it must name itself by.</param>
    public static FlatTable Root(ReadOnlyMemory<byte> file, string identifier)
    {
        if (file.Length < 8 || Encoding.ASCII.GetString(file.Span.Slice(4, 4)) != identifier)
        {
            throw new FormatException($"a file that does not name itself {identifier}");
        }
        return new FlatTable(file, BinaryPrimitives.ReadUInt32LittleEndian(file.Span));
    }

    public int Int32(int field) => Place(field) is long place ? Signed32(place) : 0;

    public long Int64(int field) => Place(field) is long place ? BinaryPrimitives.ReadInt64LittleEndian(Slice(place, sizeof(long)).Span) : 0;

    public bool Boolean(int field) => Place(field) is long place && Slice(place, 1).Span[0] != 0;

    public FlatTable? Table(int field) => Place(field) is long place ? new FlatTable(_file, Target(place)) : null;

    public string? Text(int field) => Place(field) is null ? null : Encoding.UTF8.GetString(Vector(field, 1, LongestText).Span);

    /// <summary>The bytes of a vector; none where the field is absent.</summary>
    public ReadOnlyMemory<byte> Bytes(int field) => Vector(field, 1, long.MaxValue);

    public long[] Longs(int field, long most)
    {
        ReadOnlyMemory<byte> all = Vector(field, sizeof(long), most);
        return [.. Enumerable.Range(0, all.Length / sizeof(long)).Select(i => BinaryPrimitives.ReadInt64LittleEndian(all.Span[(i * sizeof(long))..]))];
    }

    /// <summary>The tables of a vector; none where the field is absent.</summary>
    public IReadOnlyList<FlatTable> Tables(int field, long most)
    {
        int count = Vector(field, sizeof(uint), most).Length / sizeof(uint);
        long first = count == 0 ? 0 : Target(Place(field)!.Value) + sizeof(uint);
        return [.. Enumerable.Range(0, count).Select(i => new FlatTable(_file, Target(first + (i * sizeof(uint)))))];
    }

    private ReadOnlyMemory<byte> Vector(int field, int size, long most)
    {
        if (Place(field) is not long place)
        {
            return default;
        }
        long start = Target(place);
        long count = Unsigned32(start);
        return count <= most ? Slice(start + sizeof(uint), count * size) : throw new FormatException($"{count:N0} entries where at most {most:N0} can be");
    }

    /// <summary>Where a field's value stands; null where the table leaves it out.</summary>
    private long? Place(int field)
    {
        int entry = 4 + (2 * field);
        int offset = entry + 2 <= _fieldBytes ? Unsigned16(_fields + entry) : 0;
        return offset == 0 ? null : _start + offset;
    }

    private long Target(long place) => place + Unsigned32(place);

    private int Signed32(long place) => BinaryPrimitives.ReadInt32LittleEndian(Slice(place, sizeof(int)).Span);

    private long Unsigned32(long place) => BinaryPrimitives.ReadUInt32LittleEndian(Slice(place, sizeof(uint)).Span);

    private int Unsigned16(long place) => BinaryPrimitives.ReadUInt16LittleEndian(Slice(place, sizeof(ushort)).Span);

    private ReadOnlyMemory<byte> Slice(long place, long length) => place >= 0 && length <= _file.Length - place
        ? _file.Slice((int)place, (int)length)
        : throw new FormatException($"{length:N0} bytes at {place:N0} in a file of {_file.Length:N0}");
}
