using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Inputs of decoding that training does not feed: the key/value cache is empty, and positions follow from the sequence.</summary>
internal static class CacheLowering
{
    private const int CacheRank = 4;
    private const string PositionIds = "position_ids";

    /// <summary>Replaces what is still read of those inputs.</summary>
    public static void Apply(OnnxGraph graph, Value inputIds, SequenceFacts sequence)
    {
        if (graph.Find(PositionIds) is { IsGraphInput: true } positions)
        {
            OnnxGraph.ReplaceUses(positions, sequence.Positions);
        }
        foreach (Value cache in graph.Inputs.Where(IsCache).ToArray())
        {
            OnnxGraph.ReplaceUses(cache, Empty(new OpEmitter(graph, $"aligner.{cache.Name}"), cache, inputIds));
        }
    }

    private static bool IsCache(Value input) =>
        input is { Initializer: null, ElementType: DataType.Float or DataType.Float16 or DataType.Bfloat16 } && input.Type?.TensorType?.Shape?.Dim.Count == CacheRank;

    /// <summary>[b, heads, 0, head size].</summary>
    private static Value Empty(OpEmitter emit, Value cache, Value inputIds)
    {
        TensorShapeProto declared = cache.Type!.TensorType.Shape;
        Value batch = emit.Op("Shape", [inputIds], NodeAttributes.Of("start", 0L), NodeAttributes.Of("end", 1L));
        Value shape = emit.Op("Concat", [batch, emit.Integers([Math.Max(declared.Dim[1].DimValue, 1), 0, Math.Max(declared.Dim[3].DimValue, 1)])], NodeAttributes.Of("axis", 0L));
        return emit.Op("ConstantOfShape", [shape]);
    }
}
