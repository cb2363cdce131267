using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Kernels;

/// <summary>y = g x / rms(x), its gradient in one operator. x is the residual stream: what has come to it past the normalization is added in the same pass.</summary>
internal sealed class RootMeanSquareKernelGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("SimplifiedLayerNormalization") && node.Input(1) is { IsConstant: true, Initializer.Shape.Count: 1 };

    public void Differentiate(Node node, GradientContext context)
    {
        Value x = node.Input(0)!;
        Value sum = context.Emit.Emit(KernelOperators.RootMeanSquareGradient, KernelOperators.Domain,
            [context.GradientOf(node.Output), x, node.Input(1), node.Outputs[1], context.GradientOf(x)], 1)[0];
        context.Replace(x, sum);
    }
}
