using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = ln x: dx = dy / x.</summary>
internal sealed class LogGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Log");

    public void Differentiate(Node node, GradientContext context)
    {
        context.Accumulate(node.Input(0)!, context.Emit.Op("Div", [context.GradientOf(node.Output), node.Input(0)]));
    }
}
