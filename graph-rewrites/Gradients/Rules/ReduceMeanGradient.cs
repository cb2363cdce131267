using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = mean of x over axes: every element gets its share, dy / (elements of x / elements of y).</summary>
internal sealed class ReduceMeanGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("ReduceMean");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        Value count = emit.Op("CastLike", [emit.Op("Div", [emit.Op("Size", [x]), emit.Op("Size", [node.Output])]), x]);
        Value share = emit.Op("Div", [Reductions.KeptGradient(node, context), count]);
        context.Accumulate(x, emit.Op("Expand", [share, emit.Op("Shape", [x])]));
    }
}
