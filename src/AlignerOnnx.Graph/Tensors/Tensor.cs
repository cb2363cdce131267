using System.Runtime.InteropServices;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>A stored tensor. Its bytes stay where they are (inside the .onnx file or in an external data file) until somebody reads them.</summary>
public sealed class Tensor
{
    internal Tensor(TensorProto proto, string? folder)
    {
        Proto = proto;
        Folder = folder;
    }

    /// <summary>The element type.</summary>
    public DataType ElementType => (DataType)Proto.DataType;

    /// <summary>The shape.</summary>
    public IReadOnlyList<long> Shape => Proto.Dims;

    /// <summary>The number of elements.</summary>
    /// <exception cref="ModelRefusedException">A dimension is negative, or the product does not fit 64 bits.</exception>
    public long Count => TensorChecks.Count(Proto);

    /// <summary>The stored form, shared with the model: do not change it.</summary>
    public TensorProto Proto { get; }

    /// <summary>The folder that holds its external data; null where there is none.</summary>
    public string? Folder { get; }

    /// <summary>Whether the bytes lie in an external data file.</summary>
    public bool IsExternal => Proto.DataLocation == DataLocation.External;

    /// <summary>A tensor that is stored inside the model.</summary>
    public static Tensor Stored(TensorProto proto) => new(proto, folder: null);

    /// <summary>Reads the bytes: little-endian, row-major, 4-bit elements two to a byte with the low nibble first.</summary>
    /// <exception cref="ModelRefusedException">The stored bytes are missing, of another length than type and shape say, or more than fit an array.</exception>
    public byte[] ReadBytes()
    {
        long expected = TensorChecks.ByteLength(Proto);
        if (expected > Array.MaxLength)
        {
            throw new ModelRefusedException("A tensor is too large to be read into memory", $"initializer '{Proto.Name}'", $"{expected} bytes", $"at most {Array.MaxLength} bytes", "use a model whose weights are stored in smaller parts");
        }
        byte[] bytes = new byte[expected];
        int written = 0;
        ReadParts(part =>
        {
            part.CopyTo(bytes.AsSpan(written));
            written += part.Length;
        });
        return bytes;
    }

    /// <summary>Reads the bytes of <see cref="ReadBytes"/> one part after the other, so that a large tensor never stands in memory as a whole.</summary>
    /// <param name="take">Takes a part; the span is valid during the call only.</param>
    /// <exception cref="ModelRefusedException">The stored bytes are missing, or of another length than type and shape say.</exception>
    public void ReadParts(Action<ReadOnlySpan<byte>> take)
    {
        ArgumentNullException.ThrowIfNull(take);
        if (IsExternal)
        {
            ExternalDataReader.Read(Proto, Folder, take);
            return;
        }
        TensorChecks.RequireSound(Proto);
        take(Proto.HasRawData ? Proto.RawData.Span : InlineData.Bytes(Proto));
    }

    /// <summary>Reads a tensor of float32, float16 or bfloat16 as float32.</summary>
    /// <exception cref="ModelRefusedException">The tensor has another element type.</exception>
    public float[] ReadSingles()
    {
        RequireFloat();
        return FloatEncoding.ToSingles(ReadBytes(), ElementType);
    }

    /// <summary>Reads a tensor of int64 or int32 as int64.</summary>
    /// <exception cref="ModelRefusedException">The tensor has another element type.</exception>
    public long[] ReadInt64s() => ElementType switch
    {
        DataType.Int64 => MemoryMarshal.Cast<byte, long>(ReadBytes()).ToArray(),
        DataType.Int32 => Array.ConvertAll(MemoryMarshal.Cast<byte, int>(ReadBytes()).ToArray(), number => (long)number),
        _ => throw new ModelRefusedException("A tensor is not of integers", $"initializer '{Proto.Name}'", ElementType.ToString(), "int64 or int32"),
    };

    internal void RequireFloat()
    {
        if (ElementType is not (DataType.Float or DataType.Float16 or DataType.Bfloat16))
        {
            throw new ModelRefusedException("A tensor is not of floating point", $"initializer '{Proto.Name}'", ElementType.ToString(), "float32, float16 or bfloat16");
        }
    }

    /// <summary>Makes a float32 tensor that is stored inside the model.</summary>
    public static TensorProto Of(string name, ReadOnlySpan<float> data, params ReadOnlySpan<long> shape) => Inline(name, DataType.Float, MemoryMarshal.AsBytes(data), shape);

    /// <summary>Makes an int64 tensor that is stored inside the model.</summary>
    public static TensorProto Of(string name, ReadOnlySpan<long> data, params ReadOnlySpan<long> shape) => Inline(name, DataType.Int64, MemoryMarshal.AsBytes(data), shape);

    /// <summary>Makes a tensor from its bytes.</summary>
    public static TensorProto Inline(string name, DataType type, ReadOnlySpan<byte> bytes, params ReadOnlySpan<long> shape)
    {
        TensorProto tensor = new() { Name = name, DataType = (int)type, RawData = ByteString.CopyFrom(bytes) };
        tensor.Dims.AddRange(shape.ToArray());
        return tensor;
    }
}
