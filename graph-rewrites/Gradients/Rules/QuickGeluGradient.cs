using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = x s with s = sigmoid(alpha x): dx = dy (s + alpha y (1 - s)). The sigmoid is computed again rather than kept.</summary>
internal sealed class QuickGeluGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("QuickGelu", Domains.Microsoft);

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        // The operator's default alpha is that of CLIP, 1.702.
        float alpha = node.Attributes.Float("alpha", 1.702f);
        Value sigmoid = emit.Op("Sigmoid", [alpha == 1 ? x : emit.Mul(x, emit.Scalar(alpha))]);
        Value rest = emit.Sub(emit.Scalar(1), sigmoid);
        Value bend = emit.Mul(alpha == 1 ? node.Output : emit.Mul(node.Output, emit.Scalar(alpha)), rest);
        context.Accumulate(x, emit.Mul(context.GradientOf(node.Output)!, emit.Add(sigmoid, bend)));
    }
}
