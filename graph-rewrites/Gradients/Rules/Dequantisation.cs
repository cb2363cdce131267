using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// The weight of a MatMulNBits as float32 [N, K], from its stored bytes as they are, just before it is used. GatherBlockQuantized over all rows does it on all cores,
/// DequantizeLinear of opset 21 on one (measured: 23 % of a training step on SmolLM2-135M int4 against 10 %), a kernel of our own with vectors.
/// </summary>
internal static class Dequantisation
{
    /// <summary>A value times the whole weight, [.., K]: in one operator where a kernel of our own does it better than de-quantising and MatMul.</summary>
    /// <param name="emit">Where nodes go.</param>
    /// <param name="value">The value, [.., N].</param>
    /// <param name="weight">The weight.</param>
    /// <param name="runtime">Whose operators may be used.</param>
    public static Value Product(OpEmitter emit, Value value, QuantisedWeight weight, TrainingRuntime runtime) =>
        runtime == TrainingRuntime.AlignerKernels && StoredProducts.AreFaster && weight.PaddedColumns % KernelOperators.PanelColumns == 0
            ? emit.Emit(KernelOperators.QuantisedProduct, KernelOperators.Domain, StoredProducts.Inputs(emit.Graph, value, weight), 1, StoredProducts.Attributes(weight, transposed: false))[0]
            : emit.MatMul(value, Of(emit, weight, value, runtime));

    /// <summary>The whole weight.</summary>
    /// <param name="emit">Where nodes go.</param>
    /// <param name="weight">The weight; all who ask for it get the same value.</param>
    /// <param name="earlier">What must be there first. With constant inputs alone, every weight would be de-quantised first and all of them kept alive (measured: peak 456 against 201 MB on 40 MB of int4).</param>
    /// <param name="runtime">Whose operators may be used.</param>
    public static Value Of(OpEmitter emit, QuantisedWeight weight, Value earlier, TrainingRuntime runtime)
    {
        OnnxGraph graph = emit.Graph;
        string name = $"{weight.Elements.Name}.dequantised";
        return graph.Find(name) ?? runtime switch
        {
            TrainingRuntime.AlignerKernels => ByKernel(graph, name, weight, earlier),
            TrainingRuntime.OnnxRuntimeTraining => Linear(graph, name, weight, Delayed(emit, weight, earlier)),
            _ => Gathered(graph, name, weight, Delayed(emit, weight, earlier), QuantisedViews.AllRows(emit, weight)),
        };
    }

    /// <summary>Some rows of the weight, [rows, K].</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="rows">Which rows.</param>
    public static Value OfRows(OnnxGraph graph, QuantisedWeight weight, Value rows) =>
        Gathered(graph, graph.UniqueName($"{weight.Elements.Name}.rows"), weight, QuantisedViews.Scales(graph, weight), rows);

    private static Value Delayed(OpEmitter emit, QuantisedWeight weight, Value earlier) => Ordering.After(emit, QuantisedViews.Scales(emit.Graph, weight), earlier);

    private static Value ByKernel(OnnxGraph graph, string name, QuantisedWeight weight, Value earlier) => graph.AddNode(KernelOperators.Dequantise, KernelOperators.Domain, name,
        [QuantisedViews.Elements(graph, weight), QuantisedViews.Scales(graph, weight), QuantisedViews.ZeroPoints(graph, weight), earlier], [name],
        QuantisedViews.Attributes(weight)).Output;

    private static Value Gathered(OnnxGraph graph, string name, QuantisedWeight weight, Value scales, Value rows) => graph.AddNode("GatherBlockQuantized", Domains.Microsoft, name,
        [QuantisedViews.Elements(graph, weight), rows, scales, QuantisedViews.ZeroPoints(graph, weight)], [name],
        NodeAttributes.Of("gather_axis", 0L), NodeAttributes.Of("quantize_axis", 1L), NodeAttributes.Of("block_size", weight.BlockSize), NodeAttributes.Of("bits", (long)weight.Bits)).Output;

    private static Value Linear(OnnxGraph graph, string name, QuantisedWeight weight, Value scales) => graph.AddNode("DequantizeLinear", Domains.Standard, name,
        [QuantisedViews.TypedElements(graph, weight), scales, QuantisedViews.TypedZeroPoints(graph, weight)], [name],
        NodeAttributes.Of("axis", 1L), NodeAttributes.Of("block_size", weight.BlockSize)).Output;
}
