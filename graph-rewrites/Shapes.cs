using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites;

/// <summary>Makes type declarations of graph inputs and outputs.</summary>
internal static class Shapes
{
    /// <summary>Declares the shape of a float32 value that a rewrite made, and gives it back.</summary>
    public static Value As(this Value value, params ReadOnlySpan<Dimension> shape)
    {
        value.Type = Declare(DataType.Float, shape);
        return value;
    }

    /// <summary>Declares a value with the type of another, but for the size of the last axis, and gives it back.</summary>
    public static Value LikeButLast(this Value value, Value other, long size)
    {
        value.Type = other.Type?.Clone();
        if (value.Type?.TensorType?.Shape is { Dim.Count: > 0 } shape)
        {
            shape.Dim[^1] = new TensorShapeProto.Types.Dimension { DimValue = size };
        }
        return value;
    }

    /// <summary>A tensor type; a dimension is a number or the name of a symbol.</summary>
    public static TypeProto Declare(DataType type, params ReadOnlySpan<Dimension> shape)
    {
        TensorShapeProto dimensions = new();
        foreach (Dimension dimension in shape)
        {
            dimensions.Dim.Add(dimension.Symbol is null
                ? new TensorShapeProto.Types.Dimension { DimValue = dimension.Size }
                : new TensorShapeProto.Types.Dimension { DimParam = dimension.Symbol });
        }
        return new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = dimensions } };
    }
}

/// <summary>A dimension: a size, or a symbol that stands for one.</summary>
internal readonly record struct Dimension(long Size, string? Symbol)
{
    public static implicit operator Dimension(long size) => new(size, null);

    public static implicit operator Dimension(string symbol) => new(0, symbol);
}
