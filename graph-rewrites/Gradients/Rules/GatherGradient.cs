using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = rows of x, or slices along another axis: the gradient's are added into zeros of the shape of x.</summary>
internal sealed class GatherGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Gather");

    public void Differentiate(Node node, GradientContext context)
    {
        Value x = node.Input(0)!;
        Value zeros = context.Emit.Op("ConstantOfShape", [context.Emit.Op("Shape", [x])]);
        long axis = node.Attributes.Int("axis", 0);
        context.Accumulate(x, axis == 0 ? AddRows(node, zeros, context) : AddSlices(node, zeros, axis, context));
    }

    private static Value AddRows(Node node, Value zeros, GradientContext context)
    {
        Value rows = context.Emit.Op("Unsqueeze", [node.Input(1), context.Emit.Integers([-1])]);
        return context.Emit.Op("ScatterND", [zeros, rows, context.GradientOf(node.Output)], NodeAttributes.Of("reduction", "add"));
    }

    /// <summary>One index, or a list of them, along any axis.</summary>
    private static Value AddSlices(Node node, Value zeros, long axis, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        if (node.Input(1) is not { IsConstant: true, Initializer: { Shape.Count: <= 1 } indices })
        {
            throw new ModelRefusedException("A Gather along another axis than the first has a gradient rule for a constant list of indices alone", node.ToString());
        }
        Value gradient = context.GradientOf(node.Output)!;
        Value slices = indices.Shape.Count == 0 ? emit.Op("Unsqueeze", [gradient, emit.Integers([axis])]) : gradient;
        Value list = emit.Integers([.. indices.ReadInt64s()]);
        // Element [.., i, ..] of the gradient belongs to index list[i]: the list, repeated along all other axes.
        Value along = emit.Op("Expand", [OneAxis(emit, list, axis, zeros), emit.Op("Shape", [slices])]);
        return emit.Op("ScatterElements", [zeros, along, slices], NodeAttributes.Of("axis", axis), NodeAttributes.Of("reduction", "add"));
    }

    /// <summary>The list as a value of as many axes as x has, all but one of size 1.</summary>
    private static Value OneAxis(OpEmitter emit, Value list, long axis, Value zeros)
    {
        Value rank = emit.Op("Shape", [emit.Op("Shape", [zeros])]);
        Value ones = emit.Op("ConstantOfShape", [rank], NodeAttributes.Of("value", Tensor.Of("", [1L], 1)));
        Value shape = emit.Op("ScatterElements", [ones, emit.Integers([axis]), emit.Integers([-1])], NodeAttributes.Of("axis", 0L));
        return emit.Op("Reshape", [list, shape]);
    }
}
