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

    /// <summary>The attributes of a kernel's operator that say how a weight is stored.</summary>
    public static AttributeProto[] Attributes(QuantisedWeight weight) =>
        [NodeAttributes.Of("bits", (long)weight.Bits), NodeAttributes.Of("block_size", weight.BlockSize), NodeAttributes.Of("columns", weight.PaddedColumns)];

    /// <summary>The indices 0 .. N - 1.</summary>
    public static Value AllRows(OpEmitter emit, QuantisedWeight weight)
    {
        string name = $"aligner.constant.rows.{weight.Rows}";
        return emit.Graph.Find(name)
            ?? emit.Graph.AddInitializer(Tensor.Of(name, [.. Enumerable.Range(0, (int)weight.Rows).Select(row => (long)row)], weight.Rows));
    }

    /// <summary>The elements as numbers of their own type, uint4 or uint8 [N, padded K].</summary>
    public static Value TypedElements(OnnxGraph graph, QuantisedWeight weight) => View(graph, weight.Elements, TypeOf(weight), weight.Rows, weight.PaddedColumns);

    /// <summary>The zero points as numbers of that type, [N, blocks]: over the same bytes where rows are not padded, else stored once more, without the padding.</summary>
    public static Value TypedZeroPoints(OnnxGraph graph, QuantisedWeight weight)
    {
        if (weight.ZeroPoints is { } stored && weight.BlocksPerRow * weight.Bits % 8 == 0)
        {
            return View(graph, stored, TypeOf(weight), weight.Rows, weight.BlocksPerRow);
        }
        byte[]? packed = weight.ZeroPoints?.Initializer!.ReadBytes();
        byte[] zeros = new byte[ElementTypes.ByteLength(TypeOf(weight), weight.Rows * weight.BlocksPerRow)];
        for (long index = 0; index < weight.Rows * weight.BlocksPerRow; index++)
        {
            (long row, long block) = Math.DivRem(index, weight.BlocksPerRow);
            // Stored ones that are padded are of 4 bits: rows of bytes have no padding.
            int zero = packed is null ? 1 << (weight.Bits - 1) : (packed[(row * weight.ZeroPointBytesPerRow) + (block / 2)] >> (int)(4 * (block % 2))) & 0xF;
            zeros[index * weight.Bits / 8] |= (byte)(weight.Bits == 8 ? zero : zero << (int)(4 * (index % 2)));
        }
        return graph.AddInitializer(Tensor.Inline(graph.UniqueName($"{weight.Elements.Name}.zero_points"), TypeOf(weight), zeros, weight.Rows, weight.BlocksPerRow));
    }

    /// <summary>A product with some rows of the weight, over the stored bytes of those rows: a MatMulNBits of its own, which gives [.., count].</summary>
    public static Node ProductOfRows(OpEmitter emit, QuantisedWeight weight, Value x, long first, long count)
    {
        Value? RowsOf(Value? stored) => stored is null ? null : Part(emit.Graph, stored, first, count, weight.Rows);
        Value product = emit.MicrosoftOp("MatMulNBits", [x, RowsOf(weight.Elements), RowsOf(weight.Scales), RowsOf(weight.ZeroPoints)], [.. weight.Node.Attributes.All.Select(attribute => attribute.Clone())]);
        product.Producer!.Attributes.Set(NodeAttributes.Of("N", count));
        return product.Producer;
    }

    /// <summary>Rows of a tensor that holds all rows one after the other.</summary>
    private static Value Part(OnnxGraph graph, Value stored, long first, long count, long rows)
    {
        Tensor whole = stored.Initializer!;
        TensorProto part = whole.Proto.Clone();
        part.Name = graph.UniqueName($"{stored.Name}.from.{first}");
        part.Dims[0] = part.Dims[0] / rows * count;
        long rowBytes = ElementTypes.ByteLength(whole.ElementType, whole.Count) / rows;
        if (whole.IsExternal)
        {
            ExternalData all = ExternalData.Of(whole.Proto);
            (all with { Offset = all.Offset + (first * rowBytes), Length = count * rowBytes }).WriteTo(part);
            return graph.AddInitializer(part, whole.Folder);
        }
        return graph.AddInitializer(Tensor.Inline(part.Name, whole.ElementType, whole.ReadBytes().AsSpan((int)(first * rowBytes), (int)(count * rowBytes)), [.. part.Dims]));
    }

    private static DataType TypeOf(QuantisedWeight weight) => weight.Bits == 4 ? DataType.Uint4 : DataType.Uint8;

    private static Value View(OnnxGraph graph, Value stored, params ReadOnlySpan<long> shape) => View(graph, stored, stored.Initializer!.ElementType, shape);

    private static Value View(OnnxGraph graph, Value stored, DataType type, params ReadOnlySpan<long> shape)
    {
        if (stored.Initializer!.ElementType == type && stored.Initializer.Shape.SequenceEqual(shape.ToArray()))
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
        view.DataType = (int)type;
        view.Dims.Clear();
        view.Dims.AddRange(shape.ToArray());
        return graph.AddInitializer(view, stored.Initializer.Folder);
    }
}
