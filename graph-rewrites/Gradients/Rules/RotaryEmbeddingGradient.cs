using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>A rotation: the gradient is rotated back, that is with the sines negated.</summary>
internal sealed class RotaryEmbeddingGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("RotaryEmbedding", Domains.Microsoft);

    public void Differentiate(Node node, GradientContext context)
    {
        Value negated = context.Emit.Op("Neg", [node.Input(3)]);
        Value[] back = context.Emit.Emit(node.OpType, node.Domain, [context.GradientOf(node.Output), node.Input(1), node.Input(2), negated], 1, [.. node.Attributes.All.Select(attribute => attribute.Clone())]);
        context.Accumulate(node.Input(0)!, back[0]);
    }
}
