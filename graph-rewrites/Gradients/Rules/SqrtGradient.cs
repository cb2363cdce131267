using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = sqrt(x): dx = dy / 2y.</summary>
internal sealed class SqrtGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Sqrt");

    public void Differentiate(Node node, GradientContext context)
    {
        Value twice = context.Emit.Add(node.Output, node.Output);
        context.Accumulate(node.Input(0)!, context.Emit.Op("Div", [context.GradientOf(node.Output), twice]));
    }
}
