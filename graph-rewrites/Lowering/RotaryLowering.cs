using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Rotary embeddings of ai.onnx that read angles of each position rather than caches: exports compute them for one row, ONNX Runtime wants those of every row.</summary>
internal static class RotaryLowering
{
    private const int Cosines = 1;
    private const int Sines = 2;
    private const int PositionIds = 3;

    /// <summary>Repeats the angles [1, s, r / 2] for all rows.</summary>
    public static void Apply(OnnxGraph graph, Value inputIds)
    {
        foreach (Node node in graph.Nodes.Where(node => node.Is("RotaryEmbedding") && node.Input(PositionIds) is null).ToArray())
        {
            OpEmitter emit = new(graph, $"{node.Output.Name}.rows");
            Value batch = emit.Op("Shape", [inputIds], NodeAttributes.Of("start", 0L), NodeAttributes.Of("end", 1L));
            Value rows = emit.Op("Concat", [batch, emit.Integers([1, 1])], NodeAttributes.Of("axis", 0L));
            foreach (int angles in new[] { Cosines, Sines })
            {
                node.Rewire(angles, emit.Op("Expand", [node.Input(angles), rows]));
            }
        }
    }
}
