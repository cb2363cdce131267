using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>y = a b: da = dy b^T, db = a^T dy, summed over batch axes along which an operand was repeated. The transposition happens inside the product, so that no frozen weight is copied.</summary>
internal sealed class MatMulGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("MatMul");

    public void Differentiate(Node node, GradientContext context)
    {
        Value gradient = context.GradientOf(node.Output)!;
        (Value a, Value b) = (node.Input(0)!, node.Input(1)!);
        if (context.Needs(a))
        {
            context.Accumulate(a, Unrepeated(a, context.Emit.FusedMatMul(gradient, Late(b, gradient, context), transposeB: true), context));
        }
        if (context.Needs(b))
        {
            context.Accumulate(b, Unrepeated(b, context.Emit.FusedMatMul(a, gradient, transposeA: true), context));
        }
    }

    /// <summary>Keys with a dimension of one for the query heads that share them.</summary>
    private static Value Unrepeated(Value operand, Value gradient, GradientContext context)
    {
        Value? value = operand;
        while (value?.Producer is { OpType: "Transpose" or "Cast" or "Identity" or "Mul" or "Div" } node)
        {
            value = node.Input(0);
        }
        return value?.Producer is { OpType: "Unsqueeze" } ? Broadcasting.ReduceToShape(operand, gradient, context) : gradient;
    }

    /// <summary>A weight that is de-quantised or converted where it is used is so again: kept from the forward pass, all of them would be alive at once.</summary>
    private static Value Late(Value weight, Value gradient, GradientContext context)
    {
        if (weight.Producer is not { OpType: "DequantizeLinear" or "Cast" } node || node.Inputs.Any(input => input is { IsConstant: false }))
        {
            return weight;
        }
        int delayed = node.OpType == "Cast" ? 0 : 1;
        Value?[] inputs = [.. node.Inputs.Select((input, index) => index == delayed ? Ordering.After(context.Emit, input!, gradient) : input)];
        return context.Emit.Emit(node.OpType, node.Domain, inputs, 1, [.. node.Attributes.All.Select(attribute => attribute.Clone())])[0];
    }
}
