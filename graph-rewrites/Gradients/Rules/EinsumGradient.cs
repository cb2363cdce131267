using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// y = einsum "a,b->y" of two operands: da = einsum "y,b->a" of dy and b, and the other way round. Each letter of an operand must stand in the other or in the result,
/// else the gradient would have to be repeated along it.
/// </summary>
internal sealed class EinsumGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("Einsum");

    public void Differentiate(Node node, GradientContext context)
    {
        string equation = node.Attributes.Text("equation", "").Replace(" ", "", StringComparison.Ordinal);
        if (equation.Split("->") is not [{ } operands, { } result] || operands.Split(',') is not [{ } a, { } b] || !IsProduct(a, b, result) || !IsProduct(b, a, result))
        {
            throw new ModelRefusedException("Only an Einsum of two operands whose letters all stand in two of the three places has a gradient rule", node.ToString(), equation);
        }
        Value gradient = context.GradientOf(node.Output)!;
        Accumulate(0, $"{result},{b}->{a}", node.Input(1)!);
        Accumulate(1, $"{result},{a}->{b}", node.Input(0)!);

        void Accumulate(int operand, string reverse, Value other)
        {
            if (context.Needs(node.Input(operand)))
            {
                context.Accumulate(node.Input(operand)!, context.Emit.Op("Einsum", [gradient, other], NodeAttributes.Of("equation", reverse)));
            }
        }
    }

    private static bool IsProduct(string operand, string other, string result) =>
        operand.All(letter => char.IsAsciiLetter(letter) && (other.Contains(letter, StringComparison.Ordinal) || result.Contains(letter, StringComparison.Ordinal))) && operand.Distinct().Count() == operand.Length;
}
