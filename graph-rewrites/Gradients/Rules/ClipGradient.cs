using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = x within bounds: dx = dy where x was within them.</summary>
internal sealed class ClipGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Clip");

    public void Differentiate(Node node, GradientContext context)
    {
        Value kept = context.Emit.Op("Equal", [node.Output, node.Input(0)]);
        context.Accumulate(node.Input(0)!, context.Emit.Op("Where", [kept, context.GradientOf(node.Output), context.Emit.Scalar(0)]));
    }
}
