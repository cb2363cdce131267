using AlignerOnnx.Graph;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>Gradients of operands that were broadcast.</summary>
internal static class Broadcasting
{
    /// <summary>Sums a gradient over the axes along which an operand was repeated: those that its declared shape says are 1. An operand without such axes has the full shape.</summary>
    public static Value ReduceTo(Value operand, Value gradient, GradientContext context)
    {
        long[] axes = [.. OnesOf(operand)];
        return axes.Length == 0 ? gradient : context.Emit.ReduceSum(gradient, keepDimensions: true, axes);
    }

    private static IEnumerable<long> OnesOf(Value operand)
    {
        TensorShapeProto? shape = operand.Type?.TensorType?.Shape;
        for (int axis = 0; axis < (shape?.Dim.Count ?? 0); axis++)
        {
            if (shape!.Dim[axis] is { ValueCase: TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue, DimValue: 1 })
            {
                yield return axis;
            }
        }
    }
}
