using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>Checks that a stored tensor is what its type and shape say, without reading its data.</summary>
internal static class TensorChecks
{
    /// <summary>Refuses a tensor whose element type, shape and stored data do not go together.</summary>
    /// <exception cref="ModelRefusedException">They do not.</exception>
    public static void RequireSound(TensorProto tensor)
    {
        string where = Where(tensor);
        long stored = ByteLength(tensor);
        if (tensor.Segment is not null)
        {
            throw new ModelRefusedException("A tensor is stored in segments", where, remedy: "export the model again");
        }
        if (tensor.DataLocation == DataLocation.External)
        {
            if (tensor.HasRawData)
            {
                throw new ModelRefusedException("A tensor has data both in the .onnx file and outside", where, remedy: "export the model again");
            }
            ExternalData.Of(tensor);
            return;
        }
        if ((DataType)tensor.DataType == DataType.String)
        {
            RequireLength(where, tensor, tensor.StringData.Count, Count(tensor, where), "strings");
            return;
        }
        RequireLength(where, tensor, InlineData.ByteLength(tensor), stored, "bytes");
    }

    /// <summary>The number of elements.</summary>
    /// <exception cref="ModelRefusedException">A dimension is negative, or the product does not fit 64 bits.</exception>
    public static long Count(TensorProto tensor) => Count(tensor, Where(tensor));

    /// <summary>The bytes that type and shape ask for; 0 for strings.</summary>
    /// <exception cref="ModelRefusedException">The type is unknown, a dimension is negative, or the size does not fit 64 bits.</exception>
    public static long ByteLength(TensorProto tensor)
    {
        DataType type = (DataType)tensor.DataType;
        if (type == DataType.Undefined || !Enum.IsDefined(type))
        {
            throw new ModelRefusedException("A tensor has an unknown element type", Where(tensor), $"type {tensor.DataType}", $"a type of ONNX, 1 to {Enum.GetValues<DataType>().Length - 1}", "export the model for an ONNX version that this tool knows");
        }
        long count = Count(tensor, Where(tensor));
        return count <= long.MaxValue / 256 ? ElementTypes.ByteLength(type, count) : throw Overflow(tensor, Where(tensor));
    }

    private static long Count(TensorProto tensor, string where)
    {
        if (tensor.Dims.Any(dimension => dimension < 0))
        {
            throw new ModelRefusedException("A tensor has a negative dimension", where, Shape(tensor), "dimensions from 0", "export the model again");
        }
        try
        {
            return tensor.Dims.Aggregate(1L, (product, dimension) => checked(product * dimension));
        }
        catch (OverflowException)
        {
            throw Overflow(tensor, where);
        }
    }

    private static void RequireLength(string where, TensorProto tensor, long found, long expected, string unit)
    {
        if (found != expected)
        {
            throw new ModelRefusedException("A tensor's data has the wrong length", where, $"{found} {unit}", $"{expected} {unit} for {(DataType)tensor.DataType} {Shape(tensor)}", "the file is damaged or crafted: copy or export the model again");
        }
    }

    private static ModelRefusedException Overflow(TensorProto tensor, string where) => new(
        "A tensor's shape overflows", where, Shape(tensor), "a size that fits 64 bits", "export the model again");

    private static string Where(TensorProto tensor) => $"initializer '{tensor.Name}'";

    private static string Shape(TensorProto tensor) => $"[{string.Join(',', tensor.Dims.Take(16))}]";
}
