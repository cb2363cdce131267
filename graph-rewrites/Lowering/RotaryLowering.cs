using AlignerOnnx.Graph;
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

    /// <summary>Rewrites the nodes.</summary>
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
                (Value cosinesOfRows, sines) = (emit.Op("Expand", [cosines, rows]), Flat(emit, emit.Op("Expand", [sines, rows])));
                cosines = Flat(emit, cosinesOfRows);
                Value count = emit.Op("Gather", [emit.Op("Shape", [cosines]), emit.Integer(0)]);
                positions = emit.Op("Reshape", [emit.Op("Range", [emit.Integer(0), count, emit.Integer(1)]), emit.Op("Shape", [cosinesOfRows], NodeAttributes.Of("end", 2L))]);
            }
            emit.InPlaceOf(node, "RotaryEmbedding", Domains.Microsoft, [node.Input(0), positions, cosines, sines], [.. node.Attributes.All.Where(attribute => attribute.Name != Heads).Select(attribute => attribute.Clone()), .. HeadsOf(node)]);
        }
    }

    /// <summary>ai.onnx sees the heads of 4 dimensions; com.microsoft wants to be told where a part of each is rotated.</summary>
    private static AttributeProto[] HeadsOf(Node node)
    {
        long heads = node.Attributes.Int(Heads, 0);
        TensorShapeProto? shape = node.Input(0)!.Type?.TensorType?.Shape;
        heads = heads == 0 && shape?.Dim.Count == 4 ? shape.Dim[1].DimValue : heads;
        return heads == 0 ? [] : [NodeAttributes.Of(Heads, heads)];
    }

    /// <summary>[b, s, r / 2] as [b * s, r / 2].</summary>
    private static Value Flat(OpEmitter emit, Value angles) => emit.Op("Flatten", [angles], NodeAttributes.Of("axis", 2L));
}
