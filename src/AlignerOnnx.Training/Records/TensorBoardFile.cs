using System.Buffers.Binary;
using System.Numerics;
using Google.Protobuf;

namespace AlignerOnnx.Training;

/// <summary>
/// Writes metrics as a TensorBoard event file: TFRecords of the protocol buffer Event
/// (https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto), one scalar for each measure.
/// </summary>
internal static class TensorBoardFile
{
    /// <summary>The event that every such file starts with.</summary>
    private const string Version = "brain.Event:2";

    public static void Write(Stream output, IReadOnlyList<MetricsRow> rows)
    {
        WriteRecord(output, Message(event_ =>
        {
            WriteTime(event_, rows.Count > 0 ? rows[0].Time : 0);
            event_.WriteTag(3, WireFormat.WireType.LengthDelimited);
            event_.WriteString(Version);
        }));
        foreach (MetricsRow row in rows)
        {
            WriteRecord(output, Message(event_ =>
            {
                WriteTime(event_, row.Time);
                event_.WriteTag(2, WireFormat.WireType.Varint);
                event_.WriteInt64(row.Step);
                WriteBytes(event_, 5, Summary(row));
            }));
        }
    }

    private static void WriteTime(CodedOutputStream output, double time)
    {
        output.WriteTag(1, WireFormat.WireType.Fixed64);
        output.WriteDouble(time);
    }

    private static byte[] Summary(MetricsRow row) => Message(summary =>
    {
        foreach ((string name, double value) in row.Measures)
        {
            WriteBytes(summary, 1, Message(scalar =>
            {
                scalar.WriteTag(1, WireFormat.WireType.LengthDelimited);
                scalar.WriteString(name.StartsWith("eval_", StringComparison.Ordinal) ? $"eval/{name["eval_".Length..]}" : $"train/{name}");
                scalar.WriteTag(2, WireFormat.WireType.Fixed32);
                scalar.WriteFloat((float)value);
            }));
        }
    });

    private static void WriteBytes(CodedOutputStream output, int field, byte[] content)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(content));
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using MemoryStream stream = new();
        using (CodedOutputStream output = new(stream, leaveOpen: true))
        {
            write(output);
        }
        return stream.ToArray();
    }

    /// <summary>A TFRecord: length, its checksum, content, its checksum.</summary>
    internal static void WriteRecord(Stream output, ReadOnlySpan<byte> content)
    {
        Span<byte> header = stackalloc byte[sizeof(ulong) + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)content.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[sizeof(ulong)..], MaskedChecksum(header[..sizeof(ulong)]));
        output.Write(header);
        output.Write(content);
        Span<byte> checksum = header[..sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(checksum, MaskedChecksum(content));
        output.Write(checksum);
    }

    private static uint MaskedChecksum(ReadOnlySpan<byte> content) => BitOperations.RotateRight(Crc32C(content), 15) + 0xA282EAD8;

    /// <summary>CRC-32C (Castagnoli), RFC 3720.</summary>
    internal static uint Crc32C(ReadOnlySpan<byte> content)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in content)
        {
            crc = BitOperations.Crc32C(crc, value);
        }
        return ~crc;
    }
}
