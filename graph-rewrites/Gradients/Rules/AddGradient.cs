using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a + b: da = dy, db = dy, summed over broadcast axes.</summary>
internal sealed class AddGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Add");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        foreach (Value operand in node.Inputs.OfType<Value>().Where(context.Needs))
        {
            context.Accumulate(operand, Broadcasting.ReduceTo(operand, gradient, context));
        }
    }
}
