using AlignerOnnx.Graph;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// The gradient takes the shape of the input again. Where the declared shapes say how, by numbers, dimensions in the same place and at most one that is left over,
/// the input itself is not asked: a value whose shape the backward pass reads would be kept until then.
/// </summary>
internal sealed class ReshapeGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Reshape");

    public void Differentiate(Node node, GradientContext context)
    {
        (Value x, Value gradient) = (node.Input(0)!, context.GradientOf(node.Output)!);
        context.Accumulate(x, DeclaredShape(x, node.Output) is { } shape
            ? context.Emit.Reshape(gradient, shape)
            : context.Emit.Op("Reshape", [gradient, context.Emit.Op("Shape", [x])]));
    }

    private static long[]? DeclaredShape(Value x, Value y)
    {
        if (x.Type?.TensorType?.Shape is not { } wanted || y.Type?.TensorType?.Shape is not { } given)
        {
            return null;
        }
        const long copy = 0;
        const long infer = -1;
        long[] shape = [.. wanted.Dim.Select((dimension, place) =>
            dimension.HasDimValue ? dimension.DimValue : IsSame(dimension, place < given.Dim.Count ? given.Dim[place] : null) ? copy : infer)];
        return shape.Count(size => size == infer) <= 1 ? shape : null;
    }

    private static bool IsSame(TensorShapeProto.Types.Dimension a, TensorShapeProto.Types.Dimension? b) => a.HasDimParam && a.DimParam == b?.DimParam;
}
