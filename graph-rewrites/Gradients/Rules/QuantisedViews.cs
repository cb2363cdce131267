using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The tensors of a MatMulNBits weight in the shapes that GatherBlockQuantized wants, over the same stored bytes.</summary>
internal static class QuantisedViews
{
    /// <summary>The packed elements, uint8 [N, bytes of a row].</summary>
    public static Value Elements(OnnxGraph graph, QuantisedWeight weight) =>
        View(graph, weight.Elements, weight.Rows, weight.PaddedColumns * weight.Bits / 8);

    /// <summary>The scales, [N, blocks].</summary>
    public static Value Scales(OnnxGraph graph, QuantisedWeight weight) => View(graph, weight.Scales, weight.Rows, weight.BlocksPerRow);

    /// <summary>The packed zero points, uint8 [N, bytes of a row]; null where the middle of the range is meant.</summary>
    public static Value? ZeroPoints(OnnxGraph graph, QuantisedWeight weight) =>
        weight.ZeroPoints is { } stored ? View(graph, stored, weight.Rows, weight.ZeroPointBytesPerRow) : null;

    /// <summary>The indices 0 .. N - 1.</summary>
    public static Value AllRows(OpEmitter emit, QuantisedWeight weight)
    {
        string name = $"aligner.constant.rows.{weight.Rows}";
        return emit.Graph.Find(name)
            ?? emit.Graph.AddInitializer(Tensor.Of(name, [.. Enumerable.Range(0, (int)weight.Rows).Select(row => (long)row)], weight.Rows));
    }

    private static Value View(OnnxGraph graph, Value stored, params ReadOnlySpan<long> shape)
    {
        if (stored.Initializer!.Shape.SequenceEqual(shape.ToArray()))
        {
            return stored;
        }
        string name = $"{stored.Name}.view";
        if (graph.Find(name) is { } known)
        {
            return known;
        }
        TensorProto view = stored.Initializer.Proto.Clone();
        view.Name = name;
        view.Dims.Clear();
        view.Dims.AddRange(shape.ToArray());
        return graph.AddInitializer(view, stored.Initializer.Folder);
    }
}
