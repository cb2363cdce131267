using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// y = x dequantise(B)^T with B [N, K]: dx = dy dequantise(B). GatherBlockQuantized over all rows de-quantises the stored bytes as they are, on all cores: one
/// region of the data file serves both directions and nothing is transposed. (DequantizeLinear of opset 21 gives the same numbers on one core: measured 23 %
/// of a training step on SmolLM2-135M int4 against 10 %.)
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
        Value product = context.Emit.MatMul(gradient, Dequantised(weight, gradient, context));
        context.Accumulate(node.Input(0)!, weight.PaddedColumns == weight.Columns
            ? product
            : context.Emit.Slice(product, -1, 0, weight.Columns));
    }

    private static Value Dequantised(QuantisedWeight weight, Value gradient, GradientContext context)
    {
        OnnxGraph graph = context.Emit.Graph;
        string name = $"{weight.Elements.Name}.dequantised";
        return graph.Find(name) ?? context.Runtime switch
        {
            TrainingRuntime.AlignerKernels => ByKernel(graph, name, weight, gradient),
            TrainingRuntime.OnnxRuntimeTraining => ByLinearDequantisation(graph, name, weight, DelayedScales(weight, gradient, context)),
            _ => ByGatheredRows(graph, name, weight, DelayedScales(weight, gradient, context), QuantisedViews.AllRows(context.Emit, weight)),
        };
    }

    /// <summary>With constant inputs alone, every weight would be de-quantised first and all of them kept alive (measured: peak 456 against 201 MB on 40 MB of int4).</summary>
    private static Value DelayedScales(QuantisedWeight weight, Value gradient, GradientContext context) =>
        Ordering.After(context.Emit, QuantisedViews.Scales(context.Emit.Graph, weight), gradient);

    private static Value ByKernel(OnnxGraph graph, string name, QuantisedWeight weight, Value gradient) => graph.AddNode(KernelOperators.Dequantise, KernelOperators.Domain, name,
        [QuantisedViews.Elements(graph, weight), QuantisedViews.Scales(graph, weight), QuantisedViews.ZeroPoints(graph, weight), gradient], [name],
        NodeAttributes.Of("bits", (long)weight.Bits), NodeAttributes.Of("block_size", weight.BlockSize), NodeAttributes.Of("columns", weight.PaddedColumns)).Output;

    private static Value ByGatheredRows(OnnxGraph graph, string name, QuantisedWeight weight, Value scales, Value rows) => graph.AddNode("GatherBlockQuantized", Domains.Microsoft, name,
        [QuantisedViews.Elements(graph, weight), rows, scales, QuantisedViews.ZeroPoints(graph, weight)], [name],
        NodeAttributes.Of("gather_axis", 0L), NodeAttributes.Of("quantize_axis", 1L), NodeAttributes.Of("block_size", weight.BlockSize), NodeAttributes.Of("bits", (long)weight.Bits)).Output;

    private static Value ByLinearDequantisation(OnnxGraph graph, string name, QuantisedWeight weight, Value scales) => graph.AddNode("DequantizeLinear", Domains.Standard, name,
        [QuantisedViews.TypedElements(graph, weight), scales, QuantisedViews.TypedZeroPoints(graph, weight)], [name],
        NodeAttributes.Of("axis", 1L), NodeAttributes.Of("block_size", weight.BlockSize)).Output;
}
