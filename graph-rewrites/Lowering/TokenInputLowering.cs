using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Token ids and masks that a model takes as int32 come in as int64, as training feeds them.</summary>
internal static class TokenInputLowering
{
    /// <summary>Rewrites a graph in place.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (string name in (ReadOnlySpan<string>)[DecoderLowering.InputIds, DecoderLowering.AttentionMask])
        {
            if (graph.Find(name) is { IsGraphInput: true, ElementType: DataType.Int32 } input)
            {
                Value narrow = new OpEmitter(graph, name).Op("Cast", [input], NodeAttributes.Of("to", (long)DataType.Int32));
                OnnxGraph.ReplaceUses(input, narrow, except: narrow.Producer);
                input.Type = input.Type!.Clone();
                input.Type.TensorType.ElemType = (int)DataType.Int64;
            }
        }
    }
}
