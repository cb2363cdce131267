using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = the largest or smallest of x along axes: dy goes to the element that was taken, equal ones share it (ReduceMax, ReduceMin).</summary>
internal sealed class ReduceExtremumGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("ReduceMax") || node.Is("ReduceMin");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        Value axes = node.Attributes.Ints("axes") is { } given ? emit.Integers([.. given]) : node.Input(1)
            ?? throw new ModelRefusedException("A reduction over all axes has no gradient rule", node.ToString());
        Value kept = node.Attributes.Int("keepdims", 1) != 0 ? node.Output : emit.Op("Unsqueeze", [node.Output, axes]);
        Value taken = emit.Op("Cast", [emit.Op("Equal", [x, kept])], NodeAttributes.Of("to", (long)DataType.Float));
        Value share = emit.Op("Div", [taken, emit.Op("ReduceSum", [taken, axes], NodeAttributes.Of("keepdims", 1L))]);
        context.Accumulate(x, emit.Mul(share, Reductions.KeptGradient(node, context)));
    }
}
