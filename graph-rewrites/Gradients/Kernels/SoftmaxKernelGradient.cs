using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Kernels;

/// <summary>y = softmax(x) along the last axis, its gradient in one operator.</summary>
internal sealed class SoftmaxKernelGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Softmax") && node.Attributes.Int("axis", -1) == -1;

    public void Differentiate(Node node, GradientContext context) =>
        context.Accumulate(node.Input(0)!, context.Emit.Emit(KernelOperators.SoftmaxGradient, KernelOperators.Domain, [context.GradientOf(node.Output), node.Output], 1)[0]);
}
