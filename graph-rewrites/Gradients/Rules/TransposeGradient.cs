using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The gradient is permuted back.</summary>
internal sealed class TransposeGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Transpose");

    public void Differentiate(Node node, GradientContext context)
    {
        IReadOnlyList<long> permutation = node.Attributes.Ints("perm")
            ?? throw new ModelRefusedException("A Transpose without a permutation has no gradient rule", node.ToString());
        long[] inverse = new long[permutation.Count];
        for (int axis = 0; axis < inverse.Length; axis++)
        {
            inverse[permutation[axis]] = axis;
        }
        context.Accumulate(node.Input(0)!, context.Emit.Transpose(context.GradientOf(node.Output)!, inverse));
    }
}
