using System.Runtime.InteropServices;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>Float32 numbers and the raw bytes of a tensor of a float type; writing rounds to nearest even.</summary>
public static class FloatEncoding
{
    /// <summary>Encodes numbers.</summary>
    /// <param name="numbers">The numbers.</param>
    /// <param name="type">Float, Float16 or Bfloat16.</param>
    /// <returns>Little-endian bytes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The type is none of these.</exception>
    public static byte[] ToBytes(ReadOnlySpan<float> numbers, DataType type) => type switch
    {
        DataType.Float => MemoryMarshal.AsBytes(numbers).ToArray(),
        DataType.Float16 => MemoryMarshal.AsBytes<Half>(Array.ConvertAll(numbers.ToArray(), number => (Half)number)).ToArray(),
        DataType.Bfloat16 => MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(numbers.ToArray(), UpperHalf)).ToArray(),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Expected Float, Float16 or Bfloat16."),
    };

    /// <summary>Decodes numbers; every one is exact in float32.</summary>
    /// <param name="bytes">Little-endian bytes.</param>
    /// <param name="type">Float, Float16 or Bfloat16.</param>
    /// <exception cref="ArgumentOutOfRangeException">The type is none of these.</exception>
    public static float[] ToSingles(ReadOnlySpan<byte> bytes, DataType type)
    {
        if (type == DataType.Float)
        {
            return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        }
        if (type is not (DataType.Float16 or DataType.Bfloat16))
        {
            throw new ArgumentOutOfRangeException(nameof(type), type, "Expected Float, Float16 or Bfloat16.");
        }
        float[] numbers = new float[bytes.Length / sizeof(ushort)];
        Widen(bytes, type, numbers);
        return numbers;
    }

    /// <summary>Widens the raw bytes of float16 or bfloat16 numbers to float32, which holds each exactly.</summary>
    internal static void Widen(ReadOnlySpan<byte> bytes, DataType type, Span<float> numbers)
    {
        ReadOnlySpan<ushort> bits = MemoryMarshal.Cast<byte, ushort>(bytes);
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = type == DataType.Float16 ? (float)BitConverter.UInt16BitsToHalf(bits[i]) : BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
        }
    }

    private static ushort UpperHalf(float number)
    {
        uint bits = BitConverter.SingleToUInt32Bits(number);
        // The upper bits of a NaN must not round to infinity.
        return float.IsNaN(number) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
