using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Kernels;

/// <summary>y = x sigmoid(x) u, the gated activation of LLaMA's feed-forward layers: both gradients in one operator, which keeps neither the sigmoid nor its product alive.</summary>
internal sealed class SwiGluKernelGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Mul") && Activation(node) is not null;

    public void Differentiate(Node node, GradientContext context)
    {
        Value activated = Activation(node)!;
        (Value x, Value up) = (activated.Producer!.Input(0)!, Other(node, activated));
        Value[] gradients = context.Emit.Emit(KernelOperators.SwiGluGradient, KernelOperators.Domain, [context.GradientOf(node.Output), x, up], 2);
        Accumulate(context, x, gradients[0]);
        Accumulate(context, up, gradients[1]);
    }

    private static void Accumulate(GradientContext context, Value value, Value gradient)
    {
        if (context.Needs(value))
        {
            context.Accumulate(value, gradient);
        }
    }

    /// <summary>The factor that is an activation of something as large as the other factor: the same operator made both.</summary>
    private static Value? Activation(Node node) => node.Inputs.FirstOrDefault(input =>
        input is { Producer: { } activation, Uses.Count: 1, IsGraphOutput: false } && activation.Is("QuickGelu", Domains.Microsoft) && activation.Attributes.Float("alpha", 0) == 1
        && activation.Input(0)!.Producer is { } gate && Other(node, input).Producer is { } up && gate.OpType == up.OpType);

    private static Value Other(Node node, Value factor) => node.Input(0) == factor ? node.Input(1)! : node.Input(0)!;
}
