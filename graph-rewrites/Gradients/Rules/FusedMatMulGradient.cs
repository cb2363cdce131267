using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = alpha a op(b): da = alpha dy op(b)^T; db = alpha a^T dy, or alpha dy^T a where b stood transposed.</summary>
internal sealed class FusedMatMulGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("FusedMatMul", Domains.Microsoft);

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        (Value a, Value b) = (node.Input(0)!, node.Input(1)!);
        bool transposed = node.Attributes.Int("transB", 0) != 0;
        float alpha = node.Attributes.Float("alpha", 1);
        if (node.Attributes.Int("transA", 0) != 0)
        {
            throw new ModelRefusedException("A FusedMatMul with a transposed first factor has no gradient rule", node.ToString());
        }
        if (context.Needs(a))
        {
            context.Accumulate(a, context.Emit.FusedMatMul(gradient, b, transposeB: !transposed, alpha: alpha));
        }
        if (context.Needs(b))
        {
            context.Accumulate(b, transposed
                ? context.Emit.FusedMatMul(gradient, a, transposeA: true, alpha: alpha)
                : context.Emit.FusedMatMul(a, gradient, transposeA: true, alpha: alpha));
        }
    }
}
