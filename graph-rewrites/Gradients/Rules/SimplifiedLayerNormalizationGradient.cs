using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = g x / rms(x), n = x / rms(x): dx = (g dy - n mean(g dy n)) / rms(x). The second output of the node is 1 / rms(x).</summary>
internal sealed class SimplifiedLayerNormalizationGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("SimplifiedLayerNormalization");

    public void Differentiate(Node node, GradientContext context)
    {
        (Value x, Value weight, Value reciprocal) = (node.Input(0)!, node.Input(1)!, node.Outputs[1]!);
        Value scaled = context.Emit.Mul(context.GradientOf(node.Output)!, weight);
        Value normal = context.Emit.Mul(x, reciprocal);
        Value mean = context.Emit.Op("ReduceMean", [context.Emit.Mul(scaled, normal), context.Emit.Integers([-1])], NodeAttributes.Of("keepdims", 1L));
        Value difference = context.Emit.Sub(scaled, context.Emit.Mul(normal, mean));
        context.Accumulate(x, context.Emit.Mul(difference, reciprocal));
    }
}
