using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = alpha op(a) op(b) + beta c with a frozen b and c: da = alpha dy op(b)^T.</summary>
internal sealed class GemmGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Gemm");

    public void Differentiate(Node node, GradientContext context)
    {
        if (context.Needs(node.Input(1)) || context.Needs(node.Input(2)) || node.Attributes.Int("transA", 0) != 0)
        {
            throw new ModelRefusedException("Only a Gemm of an activation with frozen weights has a gradient rule", node.ToString());
        }
        bool transposed = node.Attributes.Int("transB", 0) != 0;
        Value gradient = context.GradientOf(node.Output)!;
        context.Accumulate(node.Input(0)!, context.Emit.FusedMatMul(gradient, node.Input(1)!, transposeB: !transposed, alpha: node.Attributes.Float("alpha", 1)));
    }
}
