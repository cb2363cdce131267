using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// y = x dequantise(B)^T with B [N, K]: dx = dy dequantise(B). One region of the data file serves both directions and nothing is transposed.
/// </summary>
internal sealed class MatMulNBitsGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("MatMulNBits", Domains.Microsoft);

    public void Differentiate(Node node, GradientContext context)
    {
        QuantisedWeight weight = QuantisedWeight.Of(node);
        Value gradient = context.GradientOf(node.Output)!;
        if (weight.Bits == 2 || weight.BlockOfColumn is not null || weight.HasNumericZeroPoints)
        {
            context.Accumulate(node.Input(0)!, context.Emit.FusedMatMul(gradient, Transposed(node, weight, gradient, context), transposeB: true));
            return;
        }
        Value product = Dequantisation.Product(context.Emit, gradient, weight, context.Runtime);
        context.Accumulate(node.Input(0)!, weight.PaddedColumns == weight.Columns
            ? product
            : context.Emit.Slice(product, -1, 0, weight.Columns));
    }

    /// <summary>
    /// dequantise(B)^T [K, N] of a storage that no other operator reads: what the node itself makes of the identity matrix. Exact, as all other summands are zero; K rows
    /// cost as much as K tokens.
    /// </summary>
    private static Value Transposed(Node node, QuantisedWeight weight, Value gradient, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        string name = $"{weight.Elements.Name}.dequantised";
        if (emit.Graph.Find(name) is { } shared)
        {
            return shared;
        }
        Value square = emit.Op("ConstantOfShape", [emit.Integers([weight.Columns, weight.Columns])]);
        Value identity = Ordering.After(emit, emit.Op("EyeLike", [square]), gradient);
        return emit.Graph.AddNode(node.OpType, node.Domain, name, [identity, .. node.Inputs.Skip(1).Take(4)], [name], [.. node.Attributes.All.Select(attribute => attribute.Clone())]).Output;
    }
}
