using System.Runtime.Intrinsics.X86;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// Puts <see cref="KernelOperators.QuantisedProduct"/> in place of MatMulNBits with float32 activations. ONNX Runtime rearranges the weight of its own into a second copy, which stays alive; the kernel reads the
/// bytes of the data file that the backward pass reads too.
/// </summary>
internal static class StoredProducts
{
    private const int Bias = 5;

    /// <summary>Whether the kernel is worth its place: on processors with AVX2, where it was measured (docs/benchmarks.md).</summary>
    public static bool AreFaster => Avx2.IsSupported && Fma.IsSupported;

    /// <summary>Rewrites a graph, in place.</summary>
    /// <param name="graph">A training graph, whole: gradient rules look for MatMulNBits.</param>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Node product in AreFaster ? graph.Nodes.Where(CanReplace).ToArray() : [])
        {
            QuantisedWeight weight = QuantisedWeight.Of(product);
            new OpEmitter(graph, $"{product.Name}.stored").InPlaceOf(product, KernelOperators.QuantisedProduct, KernelOperators.Domain, Inputs(graph, product.Input(0)!, weight), Attributes(weight, transposed: true));
        }
    }

    /// <summary>The inputs of the kernel's operator.</summary>
    public static Value?[] Inputs(OnnxGraph graph, Value value, QuantisedWeight weight) =>
        [value, QuantisedViews.Elements(graph, weight), QuantisedViews.Scales(graph, weight), QuantisedViews.ZeroPoints(graph, weight)];

    /// <summary>The attributes of the kernel's operator.</summary>
    public static AttributeProto[] Attributes(QuantisedWeight weight, bool transposed) => [.. QuantisedViews.Attributes(weight), NodeAttributes.Of("transposed", transposed ? 1L : 0L)];

    private static bool CanReplace(Node node) =>
        node.Is("MatMulNBits", Domains.Microsoft) && node.Input(Bias) is null
        && QuantisedWeight.Of(node) is { Bits: 4 or 8, BlockOfColumn: null, HasNumericZeroPoints: false } weight
        && weight.PaddedColumns == weight.Columns && weight.Rows % KernelOperators.PanelColumns == 0;
}
