using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using OnnxType = Onnx.TensorProto.Types.DataType;

namespace AlignerOnnx.Adapters;

/// <summary>One tensor of a safetensors file.</summary>
/// <param name="Name">The name.</param>
/// <param name="DataType">The element type as the format names it: F32, F16, BF16, F64, I64, I32, U8, BOOL.</param>
/// <param name="Shape">The shape.</param>
/// <param name="Data">The bytes, little-endian, row-major.</param>
public sealed record SafetensorsTensor(string Name, string DataType, IReadOnlyList<long> Shape, ReadOnlyMemory<byte> Data)
{
    /// <summary>Makes a float32 tensor.</summary>
    public static SafetensorsTensor Of(string name, ReadOnlySpan<float> data, params IReadOnlyList<long> shape) =>
        new(name, "F32", shape, MemoryMarshal.AsBytes(data).ToArray());

    /// <summary>The elements of a tensor of F32, F16 or BF16, exact in float32.</summary>
    /// <exception cref="InvalidOperationException">The tensor is of another type.</exception>
    public float[] ToSingles() => FloatEncoding.ToSingles(Data.Span, DataType switch
    {
        "F32" => OnnxType.Float,
        "F16" => OnnxType.Float16,
        "BF16" => OnnxType.Bfloat16,
        _ => throw new InvalidOperationException($"Tensor '{Name}' is of {DataType}, not F32, F16 or BF16."),
    });
}
