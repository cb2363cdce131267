using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>Gradients of operands that were broadcast: they are summed over the axes along which the operand was repeated.</summary>
internal static class Broadcasting
{
    /// <summary>The part of a result's gradient that belongs to one operand of an elementwise operator.</summary>
    /// <param name="operand">The operand.</param>
    /// <param name="other">The operator's other operand.</param>
    /// <param name="gradient">The gradient, in the shape of the result.</param>
    /// <param name="context">Where nodes go.</param>
    public static Value ReduceTo(Value operand, Value other, Value gradient, GradientContext context) => SizesOfOne.Of(operand) switch
    {
        _ when RankOf(operand) < RankOf(other) => ReduceToShape(operand, gradient, context),
        { Count: 0 } => gradient,
        { } axes => context.Emit.ReduceSum(gradient, keepDimensions: true, [.. axes]),
        null when FitsInto(other) => gradient,
        null => ReduceToShape(operand, gradient, context),
    };

    /// <summary>Sums over the axes that the shapes of a run differ in; for operands whose shape the graph does not declare.</summary>
    public static Value ReduceToShape(Value operand, Value gradient, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value wanted = emit.Op("Shape", [operand]);
        Value given = emit.Op("Shape", [gradient]);
        Value missing = emit.Sub(emit.Op("Shape", [given]), emit.Op("Shape", [wanted]));
        Value ones = emit.Op("ConstantOfShape", [missing], NodeAttributes.Of("value", Tensor.Of("", [1L], 1)));
        Value padded = emit.Op("Concat", [ones, wanted], NodeAttributes.Of("axis", 0L));
        Value differs = emit.Op("Cast", [emit.Op("Not", [emit.Op("Equal", [padded, given])])], NodeAttributes.Of("to", (long)DataType.Int64));
        Value axes = emit.Op("Squeeze", [emit.Op("NonZero", [differs]), emit.Integers([0])]);
        Value sum = emit.Op("ReduceSum", [gradient, axes], NodeAttributes.Of("keepdims", 1L), NodeAttributes.Of("noop_with_empty_axes", 1L));
        return emit.Op("Reshape", [sum, wanted]);
    }

    private static int? RankOf(Value value) => value.Type?.TensorType?.Shape?.Dim.Count ?? value.Initializer?.Shape.Count;

    /// <summary>A constant scalar or vector (a factor, a weight of a normalization, a bias) never enlarges an activation.</summary>
    private static bool FitsInto(Value other) => other is { IsConstant: true, Initializer.Shape.Count: <= 1 };
}
