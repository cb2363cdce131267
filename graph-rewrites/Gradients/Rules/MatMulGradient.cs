using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a b: da = dy b^T, db = a^T dy. The transposition happens inside the product, so that no frozen weight is copied.</summary>
internal sealed class MatMulGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("MatMul");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        (Value a, Value b) = (node.Input(0)!, node.Input(1)!);
        if (context.Needs(a))
        {
            context.Accumulate(a, context.Emit.FusedMatMul(gradient, b, transposeB: true));
        }
        if (context.Needs(b))
        {
            context.Accumulate(b, context.Emit.FusedMatMul(a, gradient, transposeA: true));
        }
    }
}
