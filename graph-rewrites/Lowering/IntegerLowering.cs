using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Token ids and mask come in as int64 whatever the decoder declares: some exports for CUDA take int32.</summary>
internal static class IntegerLowering
{
    /// <summary>Declares both as int64, and converts them where the decoder reads them.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Value input in graph.Inputs.Where(input => input is { Name: DecoderLowering.InputIds or DecoderLowering.AttentionMask, ElementType: DataType.Int32 }).ToArray())
        {
            Use[] readers = [.. input.Uses];
            Value narrow = new OpEmitter(graph, $"aligner.{input.Name}").Op("Cast", [input], NodeAttributes.Of("to", (long)DataType.Int32));
            narrow.Type = input.Type!.Clone();
            input.Type.TensorType.ElemType = (int)DataType.Int64;
            foreach (Use reader in readers)
            {
                reader.Node.Rewire(reader.Input, narrow);
            }
        }
    }
}
