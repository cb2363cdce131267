using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// A quantised embedding (GatherBlockQuantized, which ONNX Runtime Training 1.19.2 lacks) becomes a Gather of the packed rows, whose elements are then taken apart and scaled
/// in float32: only the rows of the batch are. A table in another form stays as it is; later runtimes have the operator.
/// </summary>
internal static class EmbeddingLowering
{
    private const int StandardBlock = 128;

    /// <summary>Lowers all quantised embeddings of token ids.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Node embedding in graph.Nodes.Where(node => node.Is("GatherBlockQuantized", Domains.Microsoft) && IsTableOfBytes(node)).ToArray())
        {
            OpEmitter emit = new(graph, embedding.Output.Name);
            (Value ids, int bits) = (embedding.Input(1)!, Bits(embedding));
            long block = embedding.Attributes.Int("block_size", StandardBlock);
            // [b, s, blocks, elements of a block]
            Value elements = emit.Reshape(Unpack(emit, Rows(emit, embedding.Input(0)!, ids), bits), 0, 0, -1, block);
            Value scales = Column(emit, Rows(emit, embedding.Input(2)!, ids));
            Value values = emit.Reshape(emit.Mul(emit.Sub(elements, ZeroPoints(emit, embedding, ids, bits)), scales), 0, 0, -1);
            values.Type = embedding.Output.Type;
            OnnxGraph.ReplaceUses(embedding.Output, values);
            graph.RemoveNode(embedding);
        }
    }

    private static int Bits(Node embedding) => (int)embedding.Attributes.Int("bits", 4);

    private static bool IsTableOfBytes(Node embedding) =>
        embedding.Input(1) is { IsGraphInput: true } && embedding.Attributes.Int("gather_axis", 0) == 0 && Bits(embedding) is 4 or 8
        && Stored(embedding.Input(0)) is { ElementType: DataType.Uint8 } table && embedding.Input(2) is { ElementType: DataType.Float, Initializer: { Shape: { Count: 2 } scales } }
        // Blocks that the row does not fill would be padded in one exporter's file and not in another's.
        && table.Count * 8 / Bits(embedding) == scales[0] * scales[1] * embedding.Attributes.Int("block_size", StandardBlock);

    /// <summary>The stored tensor behind a value; builders put a Reshape between the output head's weight and the embedding that shares it.</summary>
    private static Tensor? Stored(Value? value) => value is { Producer: { OpType: "Reshape" } reshape } ? reshape.Input(0)?.Initializer : value?.Initializer;

    private static Value Rows(OpEmitter emit, Value table, Value ids) => emit.Op("Gather", [table, ids], NodeAttributes.Of("axis", 0L));

    private static Value Column(OpEmitter emit, Value value) => emit.Op("Unsqueeze", [value, emit.Integers([-1])]);

    private static Value ZeroPoints(OpEmitter emit, Node embedding, Value ids, int bits)
    {
        if (embedding.Input(3) is not { } stored)
        {
            return emit.Scalar(1 << (bits - 1));
        }
        long blocks = embedding.Input(2)!.Initializer!.Shape[1];
        // An odd number of blocks leaves half a byte unused.
        return Column(emit, emit.Slice(Unpack(emit, Rows(emit, stored, ids), bits), axis: 2, first: 0, blocks));
    }

    /// <summary>Bytes [b, s, n] as float32 numbers: [b, s, n], or [b, s, 2 n] for elements of 4 bits, the low half of a byte first.</summary>
    private static Value Unpack(OpEmitter emit, Value packed, int bits)
    {
        Value bytes = emit.Op("Cast", [packed], NodeAttributes.Of("to", (long)DataType.Float));
        if (bits == 8)
        {
            return bytes;
        }
        Value high = emit.Op("Floor", [emit.Mul(bytes, emit.Scalar(1f / 16))]);
        Value low = emit.Sub(bytes, emit.Mul(high, emit.Scalar(16)));
        return emit.Reshape(emit.Op("Concat", [Column(emit, low), Column(emit, high)], NodeAttributes.Of("axis", -1L)), 0, 0, -1);
    }
}
