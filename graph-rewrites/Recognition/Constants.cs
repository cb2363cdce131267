using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Values that a graph fixes: initializers that no caller can override, and the outputs of Constant nodes, behind any Identity.</summary>
internal static class Constants
{
    private const int Steps = 8;

    /// <summary>The most elements that a shape, an axis list or a list of part sizes has.</summary>
    private const int MostNumbers = 1024;

    /// <summary>The stored tensor of a value; null where the value is not fixed.</summary>
    public static Tensor? Of(Value? value)
    {
        for (int step = 0; step < Steps && value is not null; step++)
        {
            if (value.IsConstant)
            {
                return value.Initializer;
            }
            if (value.Producer is { OpType: "Constant", Domain: Domains.Standard } constant)
            {
                return FromAttributes(constant);
            }
            value = value.Producer is { OpType: "Identity", Domain: Domains.Standard } identity ? identity.Input(0) : null;
        }
        return null;
    }

    /// <summary>A fixed list of integers, or one integer; null where the value is none.</summary>
    public static long[]? Integers(Value? value) =>
        Of(value) is { ElementType: DataType.Int64 or DataType.Int32, Count: <= MostNumbers } tensor ? tensor.ReadInt64s() : null;

    /// <summary>A fixed floating-point number; null where the value is not one.</summary>
    public static float? Number(Value? value) =>
        Of(value) is { Count: 1, ElementType: DataType.Float or DataType.Float16 or DataType.Bfloat16 } tensor ? tensor.ReadSingles()[0] : null;

    /// <summary>The fixed vector of that many elements, whatever its rank; null where the value is not one.</summary>
    public static Tensor? Vector(Value? value, long count) => Of(value) is { } tensor && tensor.Count == count && tensor.Shape.Count > 0 && tensor.Shape[^1] == count ? tensor : null;

    /// <summary>Whether a tensor inside a node, which loading does not look at, has a size that can be computed with.</summary>
    private static bool IsSane(TensorProto tensor) =>
        tensor.Dims.All(size => size is >= 0 and <= int.MaxValue) && tensor.Dims.Aggregate((Int128)1, (product, size) => product > int.MaxValue ? product : product * size) <= int.MaxValue;

    private static Tensor? FromAttributes(Node constant) =>
        constant.Attributes.Tensor("value") is { } tensor ? IsSane(tensor) ? Tensor.Stored(tensor) : null
        : constant.Attributes.Has("value_float") ? Tensor.Stored(Tensor.Of("", [constant.Attributes.Float("value_float", 0)]))
        : constant.Attributes.Has("value_int") ? Tensor.Stored(Tensor.Of("", [constant.Attributes.Int("value_int", 0)]))
        : constant.Attributes.Ints("value_ints") is { } integers ? Tensor.Stored(Tensor.Of("", [.. integers], integers.Count))
        : null;
}
