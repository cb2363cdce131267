using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// Rotary embeddings of ai.onnx (opset 23) become those of com.microsoft, which every runtime of training has. Where they read angles of each position rather than caches, exports compute them
/// for one row: the angles of all rows are the cache then, and the places in it the positions.
/// </summary>
internal static class RotaryLowering
{
    private const string Heads = "num_heads";
    private const int PositionIds = 3;
    private const int Steps = 8;

    /// <summary>Rewrites the nodes; one that rotates a part of heads of which the graph does not say how many they are stays as it is.</summary>
    public static void Apply(OnnxGraph graph, Value inputIds)
    {
        foreach (Node node in graph.Nodes.Where(node => node.Is("RotaryEmbedding")).ToArray())
        {
            OpEmitter emit = new(graph, $"{node.Output.Name}.rotary");
            (Value? positions, Value? cosines, Value? sines) = (node.Input(PositionIds), node.Input(1), node.Input(2));
            if (positions is null)
            {
                Value batch = emit.Op("Shape", [inputIds], NodeAttributes.Of("start", 0L), NodeAttributes.Of("end", 1L));
                Value rows = emit.Op("Concat", [batch, emit.Integers([1, 1])], NodeAttributes.Of("axis", 0L));
                (cosines, sines) = (emit.Op("Expand", [cosines, rows]), emit.Op("Expand", [sines, rows]));
            }
            long heads = HeadsOf(node);
            if (heads == 0 && node.Attributes.Int("rotary_embedding_dim", 0) != 0)
            {
                node.Rewire(1, cosines!);
                node.Rewire(2, sines!);
                continue;
            }
            if (positions is null)
            {
                Value places = emit.Op("Shape", [cosines], NodeAttributes.Of("end", 2L));
                (cosines, sines) = (Flat(emit, cosines!), Flat(emit, sines!));
                Value count = emit.Op("Gather", [emit.Op("Shape", [cosines]), emit.Integer(0)]);
                positions = emit.Op("Reshape", [emit.Op("Range", [emit.Integer(0), count, emit.Integer(1)]), places]);
            }
            AttributeProto[] told = heads == 0 ? [] : [NodeAttributes.Of(Heads, heads)];
            emit.InPlaceOf(node, "RotaryEmbedding", Domains.Microsoft, [node.Input(0), positions, cosines, sines], [.. node.Attributes.All.Where(attribute => attribute.Name != Heads).Select(attribute => attribute.Clone()), .. told]);
        }
    }

    /// <summary>ai.onnx sees the heads of 4 dimensions, [b, H, s, head size]; com.microsoft wants to be told where a part of each is rotated. 0 where neither the node nor what it reads says.</summary>
    private static long HeadsOf(Node node) =>
        node.Attributes.Int(Heads, 0) is var told and not 0 ? told
        : node.Input(0)!.Type?.TensorType?.Shape is { Dim.Count: 4 } declared ? declared.Dim[1].DimValue
        : Reshaped(node.Input(0), 1);

    /// <summary>A size of a value that was reshaped to constant sizes, and perhaps normalised and turned since.</summary>
    private static long Reshaped(Value? value, int dimension)
    {
        for (int step = 0; step < Steps && value?.Producer is { } producer; step++)
        {
            if (producer.OpType == "Reshape")
            {
                return Constants.Of(producer.Input(1))?.ReadInt64s() is { Length: 4 } sizes ? Math.Max(sizes[dimension], 0) : 0;
            }
            if (producer.OpType == "Transpose")
            {
                if (producer.Attributes.Ints("perm") is not { Count: 4 } order || order[dimension] is < 0 or > 3)
                {
                    return 0;
                }
                dimension = (int)order[dimension];
            }
            value = producer.Input(0);
        }
        return 0;
    }

    /// <summary>[b, s, r / 2] as [b * s, r / 2].</summary>
    private static Value Flat(OpEmitter emit, Value angles) => emit.Op("Flatten", [angles], NodeAttributes.Of("axis", 2L));
}
