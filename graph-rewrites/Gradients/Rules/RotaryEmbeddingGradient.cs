using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>A rotation: the gradient is rotated back, that is with the sines negated.</summary>
internal sealed class RotaryEmbeddingGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.OpType == "RotaryEmbedding";

    public void Differentiate(Node node, GradientContext context)
    {
        // com.microsoft takes positions before the caches, ai.onnx behind them.
        int sines = node.Domain == Domains.Microsoft ? 3 : 2;
        Value?[] inputs = [.. node.Inputs.Select((input, index) => index == 0 ? context.GradientOf(node.Output) : index == sines ? context.Emit.Op("Neg", [input]) : input)];
        context.Accumulate(node.Input(0)!, context.Emit.Emit(node.OpType, node.Domain, inputs, 1, [.. node.Attributes.All.Select(attribute => attribute.Clone())])[0]);
    }
}
