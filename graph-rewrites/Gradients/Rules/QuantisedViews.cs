using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>The tensors of a MatMulNBits weight as DequantizeLinear wants them: other types and shapes over the same stored bytes.</summary>
internal static class QuantisedViews
{
    /// <summary>The elements, uint4 or uint8 [N, padded K].</summary>
    public static Value Elements(OnnxGraph graph, QuantisedWeight weight) =>
        View(graph, weight.Elements, ElementType(weight), weight.Rows, weight.PaddedColumns);

    /// <summary>The scales, [N, blocks].</summary>
    public static Value Scales(OnnxGraph graph, QuantisedWeight weight) =>
        View(graph, weight.Scales, weight.Scales.ElementType, weight.Rows, weight.BlocksPerRow);

    /// <summary>The zero points, [N, blocks].</summary>
    public static Value ZeroPoints(OnnxGraph graph, QuantisedWeight weight)
    {
        if (weight.ZeroPoints is not { } stored)
        {
            return Middle(graph, weight);
        }
        // Rows of an odd number of 4-bit zero points end in half a byte of padding, which a dense tensor has no place for.
        bool dense = weight.Bits == 8 || weight.BlocksPerRow % 2 == 0;
        return dense ? View(graph, stored, ElementType(weight), weight.Rows, weight.BlocksPerRow) : Repacked(graph, weight, stored);
    }

    private static DataType ElementType(QuantisedWeight weight) => weight.Bits == 4 ? DataType.Uint4 : DataType.Uint8;

    private static Value View(OnnxGraph graph, Value stored, DataType type, params ReadOnlySpan<long> shape)
    {
        string name = $"{stored.Name}.view";
        if (graph.Find(name) is { } known)
        {
            return known;
        }
        TensorProto view = stored.Initializer!.Proto.Clone();
        view.Name = name;
        view.DataType = (int)type;
        view.Dims.Clear();
        view.Dims.AddRange(shape.ToArray());
        if (!stored.Initializer.IsExternal && !view.HasRawData)
        {
            view = Tensor.Inline(name, type, stored.Initializer.ReadBytes(), shape);
        }
        return graph.AddInitializer(view, stored.Initializer.Folder);
    }

    /// <summary>MatMulNBits without zero points means 2^(bits-1); DequantizeLinear without means 0.</summary>
    private static Value Middle(OnnxGraph graph, QuantisedWeight weight)
    {
        string name = $"aligner.constant.middle.{weight.Bits}.{weight.Rows}_{weight.BlocksPerRow}";
        if (graph.Find(name) is { } known)
        {
            return known;
        }
        byte[] bytes = new byte[ElementTypes.ByteLength(ElementType(weight), weight.Rows * weight.BlocksPerRow)];
        Array.Fill(bytes, weight.Bits == 4 ? (byte)0x88 : (byte)0x80);
        return graph.AddInitializer(Tensor.Inline(name, ElementType(weight), bytes, weight.Rows, weight.BlocksPerRow));
    }

    private static Value Repacked(OnnxGraph graph, QuantisedWeight weight, Value stored)
    {
        string name = $"{stored.Name}.repacked";
        if (graph.Find(name) is { } known)
        {
            return known;
        }
        byte[] padded = stored.Initializer!.ReadBytes();
        byte[] dense = new byte[ElementTypes.ByteLength(DataType.Uint4, weight.Rows * weight.BlocksPerRow)];
        for (long row = 0, index = 0; row < weight.Rows; row++)
        {
            for (long block = 0; block < weight.BlocksPerRow; block++, index++)
            {
                int nibble = (padded[(row * weight.ZeroPointBytesPerRow) + (block / 2)] >> (int)(4 * (block % 2))) & 0xF;
                dense[index / 2] |= (byte)(nibble << (int)(4 * (index % 2)));
            }
        }
        return graph.AddInitializer(Tensor.Inline(name, DataType.Uint4, dense, weight.Rows, weight.BlocksPerRow));
    }
}
