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
        if (weight.Bits == 2 || weight.BlockOfColumn is not null || weight.HasNumericZeroPoints)
        {
            throw new ModelRefusedException("A quantised weight cannot be differentiated through", $"{node}", $"{weight.Bits} bits, a group index or zero points that are not packed bytes",
                "4 or 8 bits, blocks in order, packed zero points", "train on another quantisation of the model; the adapter then serves this one with --any-base");
        }
        Value gradient = context.GradientOf(node.Output)!;
        Value product = Dequantisation.Product(context.Emit, gradient, weight, context.Runtime);
        context.Accumulate(node.Input(0)!, weight.PaddedColumns == weight.Columns
            ? product
            : context.Emit.Slice(product, -1, 0, weight.Columns));
    }
}
