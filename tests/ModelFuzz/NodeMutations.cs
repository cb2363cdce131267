using Onnx;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Changes a node: what it is, what it reads, what it gives.</summary>
internal static class NodeMutations
{
    private static readonly string[] Operators =
        ["MatMul", "Gemm", "Add", "Mul", "Div", "Sub", "Reshape", "Transpose", "Split", "Slice", "Cast", "Identity", "Concat", "Expand", "Squeeze", "Unsqueeze", "Gather", "Where", "Shape", "Range", "Softmax", "Constant",
         "ConstantOfShape", "RotaryEmbedding", "Attention", "DequantizeLinear", "MatMulNBits", "GroupQueryAttention", "MultiHeadAttention", "PagedAttention", "LinearAttention", "SparseAttention", "FusedMatMul",
         "SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", "RMSNormalization", "LayerNormalization", "DynamicQuantizeMatMul", "MatMulInteger", "MatMulIntegerToFloat", "If", "Loop", "ReduceMean", "Pow", "Sqrt",
         "Trilu", "CumSum", "Tanh", "QAttention", "Einsum", ""];

    private static readonly string[] Spaces = ["", "com.microsoft", "ai.onnx", "pkg.torch", "unknown"];

    public static void Change(Picker pick)
    {
        if (pick.Node() is not { } node)
        {
            return;
        }
        switch (pick.Next(14))
        {
            case < 4 when node.Input.Count > 0:
                node.Input[pick.Next(node.Input.Count)] = pick.Name();
                break;
            case 4 when node.Input.Count > 0:
                node.Input.RemoveAt(pick.Next(node.Input.Count));
                break;
            case 5:
                node.Input.Insert(pick.Next(node.Input.Count + 1), pick.Name());
                break;
            case 6 when node.Input.Count > 1:
                int at = pick.Next(node.Input.Count - 1);
                (node.Input[at], node.Input[at + 1]) = (node.Input[at + 1], node.Input[at]);
                break;
            case 7 when node.Output.Count > 0:
                node.Output[pick.Next(node.Output.Count)] = pick.Once(2) ? "" : pick.Name();
                break;
            case 8 when node.Output.Count > 0:
                node.Output.RemoveAt(pick.Next(node.Output.Count));
                break;
            case 9:
                node.Output.Add(pick.Once(2) ? pick.OddName() : pick.Name());
                break;
            case 10:
                node.Domain = Spaces[pick.Next(Spaces.Length)];
                break;
            case 11:
                node.Name = pick.OddName();
                break;
            default:
                node.OpType = Operators[pick.Next(Operators.Length)];
                break;
        }
    }
}
