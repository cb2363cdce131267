using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a triangle of x, zeros elsewhere: dx = the same triangle of dy.</summary>
internal sealed class TriluGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Trilu");

    public void Differentiate(Node node, GradientContext context)
    {
        Value?[] inputs = [context.GradientOf(node.Output), .. node.Inputs.Skip(1)];
        context.Accumulate(node.Input(0)!, context.Emit.Op("Trilu", inputs, NodeAttributes.Of("upper", node.Attributes.Int("upper", 1))));
    }
}
