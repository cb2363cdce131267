using System.Runtime.InteropServices;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>Sizes of ONNX element types.</summary>
public static class ElementTypes
{
    /// <summary>Bits that one element takes in raw data; 0 for types without a fixed size (strings).</summary>
    public static int Bits(DataType type) => type switch
    {
        DataType.Uint2 or DataType.Int2 => 2,
        DataType.Uint4 or DataType.Int4 or DataType.Float4E2M1 => 4,
        DataType.Uint8 or DataType.Int8 or DataType.Bool or DataType.Float8E4M3Fn or DataType.Float8E4M3Fnuz
            or DataType.Float8E5M2 or DataType.Float8E5M2Fnuz or DataType.Float8E8M0 => 8,
        DataType.Float16 or DataType.Bfloat16 or DataType.Uint16 or DataType.Int16 => 16,
        DataType.Float or DataType.Int32 or DataType.Uint32 => 32,
        DataType.Double or DataType.Int64 or DataType.Uint64 or DataType.Complex64 => 64,
        DataType.Complex128 => 128,
        _ => 0,
    };

    /// <summary>Bytes that a tensor takes in raw data.</summary>
    /// <exception cref="OverflowException">The size does not fit 64 bits.</exception>
    public static long ByteLength(DataType type, long count) => checked((count * Bits(type)) + 7) / 8;

    /// <summary>Narrow types may be stored one element to an int32; this gives their raw bytes.</summary>
    internal static byte[] FromInt32Field(DataType type, IEnumerable<int> field) => Bits(type) switch
    {
        16 => MemoryMarshal.AsBytes(field.Select(number => (ushort)number).ToArray().AsSpan()).ToArray(),
        32 => MemoryMarshal.AsBytes(field.ToArray().AsSpan()).ToArray(),
        _ => [.. field.Select(number => (byte)number)],
    };
}
