using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Decoding;

/// <summary>
/// Puts <see cref="KernelOperators.MatMulInt4"/> in place of MatMulNBits of accuracy level 4, where it computes the same: 4 bits, blocks of at least 32, float32 scales, packed zero points or none, columns in
/// their order, no bias. Whoever runs the graph registers its kernel. The weights stay as they are.
/// </summary>
public static class Int4Products
{
    private const long IntegerActivations = 4;
    private const int Bits = 4;
    private const long SmallestBlock = 32;
    private const long FewestRows = 16;
    private const int Bias = 5;

    /// <summary>Rewrites the graph, in place.</summary>
    /// <param name="model">The model.</param>
    /// <returns>How many operators were replaced.</returns>
    public static int Apply(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Node[] products = [.. model.Graph.Nodes.Where(CanReplace)];
        foreach (Node product in products)
        {
            Replace(model.Graph, QuantisedWeight.Of(product));
        }
        if (products.Length > 0)
        {
            model.RequireOpset(KernelOperators.Domain, 1);
        }
        return products.Length;
    }

    private static bool CanReplace(Node node) =>
        node.Is("MatMulNBits", Domains.Microsoft) && node.Attributes.Int("accuracy_level", 0) == IntegerActivations && node.Input(Bias) is null && !node.Output.Uses.Any(use => use.Input == Use.Subgraph)
        && QuantisedWeight.Misfit(node) is null && QuantisedWeight.Of(node) is { Bits: Bits, BlockSize: >= SmallestBlock, Rows: >= FewestRows, BlockOfColumn: null, HasNumericZeroPoints: false } weight
        && Constants.Of(weight.Scales)?.ElementType == DataType.Float;

    private static void Replace(OnnxGraph graph, QuantisedWeight weight)
    {
        Node product = weight.Node;
        new OpEmitter(graph, $"{product.Name}.int4").InPlaceOf(product, KernelOperators.MatMulInt4, KernelOperators.Domain, [product.Input(0), weight.Elements, weight.Scales, weight.ZeroPoints],
            NodeAttributes.Of("rows", weight.Rows), NodeAttributes.Of("columns", weight.Columns), NodeAttributes.Of("block_size", weight.BlockSize));
    }
}
