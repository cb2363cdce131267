using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = max(x, 0): dx = dy where x is above 0.</summary>
internal sealed class ReluGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Relu");

    public void Differentiate(Node node, GradientContext context)
    {
        Value positive = context.Emit.Op("Greater", [node.Output, context.Emit.Scalar(0)]);
        context.Accumulate(node.Input(0)!, context.Emit.Op("Where", [positive, context.GradientOf(node.Output), context.Emit.Scalar(0)]));
    }
}
