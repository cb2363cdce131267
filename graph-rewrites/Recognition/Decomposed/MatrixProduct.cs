using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>A product of two activations: MatMul, FusedMatMul, or an Einsum of two operands that sums over one letter.</summary>
/// <param name="Node">The node.</param>
/// <param name="Left">Its first operand.</param>
/// <param name="Right">Its second operand.</param>
/// <param name="Factor">A factor on the product (alpha).</param>
internal sealed record MatrixProduct(Node Node, Value Left, Value Right, float Factor)
{
    /// <summary>The product that a node is; null where it is none, or where one operand is frozen, as in a projection.</summary>
    public static MatrixProduct? Of(Node node) => OfAny(node) is { } product && !IsFrozen(product.Left) && !IsFrozen(product.Right) ? product : null;

    /// <summary>The product that a node is, whatever its operands; null where it is none.</summary>
    public static MatrixProduct? OfAny(Node node)
    {
        bool isProduct = node.Is("MatMul") || (node.Is("Einsum") && node.Inputs.Count == 2)
            || (node.Is("FusedMatMul", Domains.Microsoft) && node.Attributes.Int("transBatchA", 0) == 0 && node.Attributes.Int("transBatchB", 0) == 0);
        return isProduct && node.Input(0) is { } left && node.Input(1) is { } right
            ? new MatrixProduct(node, left, right, node.OpType == "FusedMatMul" ? node.Attributes.Float("alpha", 1) : 1)
            : null;
    }

    /// <summary>Where the elements of the product come from; null where shapes are not known or do not fit.</summary>
    public ProductPlaces? Places(PartialEvaluation known)
    {
        if (known.ShapeOf(Left) is not { } left || known.ShapeOf(Right) is not { } right)
        {
            return null;
        }
        (string a, string b, string result) = Node.OpType == "Einsum" ? Equation() : Letters(left.Length, right.Length);
        return ProductPlaces.Of(a, left, b, right, result);
    }

    /// <summary>The letters of a MatMul's axes, from the end: columns j, rows i, the axis between them k, batch axes A, B, ..</summary>
    private (string Left, string Right, string Result) Letters(int left, int right)
    {
        if (left < 2 || right < 2 || Math.Max(left, right) > Coordinates.MostDimensions)
        {
            return ("", "", "");
        }
        string batch = string.Concat(Enumerable.Range(0, Math.Max(left, right) - 2).Select(axis => (char)('A' + axis)));
        bool fused = Node.OpType == "FusedMatMul";
        string a = fused && Node.Attributes.Int("transA", 0) != 0 ? "ki" : "ik";
        string b = fused && Node.Attributes.Int("transB", 0) != 0 ? "jk" : "kj";
        return (batch[^(left - 2)..] + a, batch[^(right - 2)..] + b, batch + "ij");
    }

    /// <summary>The letters of an Einsum; empty where it is not plain letters.</summary>
    private (string Left, string Right, string Result) Equation()
    {
        string[] sides = Node.Attributes.Text("equation", "").Replace(" ", "", StringComparison.Ordinal).Split("->");
        string[] terms = sides[0].Split(',');
        return sides.Length == 2 && terms.Length == 2 && string.Concat(sides[0], sides[1]).All(letter => char.IsAsciiLetter(letter) || letter == ',') ? (terms[0], terms[1], sides[1]) : ("", "", "");
    }

    /// <summary>Whether a value follows from constants alone: a weight, however it is stored.</summary>
    private static bool IsFrozen(Value value)
    {
        const int steps = 16;
        for (int step = 0; step < steps; step++)
        {
            if (Constants.Of(value) is not null)
            {
                return true;
            }
            if (value.Producer is not { OpType: "Transpose" or "Cast" or "Identity" or "Reshape" or "Squeeze" or "Unsqueeze" or "DequantizeLinear" or "Expand" } node || node.Input(0) is not { } source)
            {
                return false;
            }
            value = source;
        }
        return false;
    }
}
