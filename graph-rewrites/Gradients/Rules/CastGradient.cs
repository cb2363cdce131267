using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradient goes back to the element type of the input.</summary>
internal sealed class CastGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Cast");

    public void Differentiate(Node node, GradientContext context)
    {
        Value x = node.Input(0)!;
        context.Accumulate(x, context.Emit.Op("CastLike", [context.GradientOf(node.Output), x]));
    }
}
