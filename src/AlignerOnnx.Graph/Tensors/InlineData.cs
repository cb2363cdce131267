using System.Runtime.InteropServices;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>Tensor data inside the .onnx file: raw bytes, or a list of numbers in the field that goes with the element type.</summary>
internal static class InlineData
{
    /// <summary>The little-endian bytes, elements below one byte packed.</summary>
    public static byte[] Bytes(TensorProto tensor) => tensor.HasRawData ? tensor.RawData.ToByteArray() : (DataType)tensor.DataType switch
    {
        DataType.Float or DataType.Complex64 => MemoryMarshal.AsBytes(tensor.FloatData.ToArray().AsSpan()).ToArray(),
        DataType.Double or DataType.Complex128 => MemoryMarshal.AsBytes(tensor.DoubleData.ToArray().AsSpan()).ToArray(),
        DataType.Int64 => MemoryMarshal.AsBytes(tensor.Int64Data.ToArray().AsSpan()).ToArray(),
        DataType.Uint64 => MemoryMarshal.AsBytes(tensor.Uint64Data.ToArray().AsSpan()).ToArray(),
        DataType.Uint32 => MemoryMarshal.AsBytes(tensor.Uint64Data.Select(number => (uint)number).ToArray().AsSpan()).ToArray(),
        DataType type => ElementTypes.FromInt32Field(type, tensor.Int32Data),
    };

    /// <summary>The length of <see cref="Bytes"/>, without making them.</summary>
    public static long ByteLength(TensorProto tensor) => tensor.HasRawData ? tensor.RawData.Length : (DataType)tensor.DataType switch
    {
        DataType.Float or DataType.Complex64 => 4L * tensor.FloatData.Count,
        DataType.Double or DataType.Complex128 => 8L * tensor.DoubleData.Count,
        DataType.Int64 => 8L * tensor.Int64Data.Count,
        DataType.Uint64 => 8L * tensor.Uint64Data.Count,
        DataType.Uint32 => 4L * tensor.Uint64Data.Count,
        DataType type => Math.Max(1, ElementTypes.Bits(type) / 8) * (long)tensor.Int32Data.Count,
    };
}
