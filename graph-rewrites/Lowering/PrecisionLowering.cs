using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>
/// Lets a float16 or bfloat16 graph compute in float32, as training does: small constants are stored converted, large weights stay in their file and pass a Cast
/// where they are used, an embedding after its rows are picked.
/// </summary>
internal static class PrecisionLowering
{
    private const long SmallEnoughToStore = 1 << 20;

    /// <summary>Rewrites a graph in place.</summary>
    public static void Apply(OnnxGraph graph)
    {
        foreach (Value value in graph.Values.Where(value => value is { IsConstant: true } && IsHalf(value.ElementType)).ToArray())
        {
            Widen(graph, value);
        }
        foreach (Node node in graph.Nodes.ToArray())
        {
            Widen(node);
        }
        foreach (Value value in graph.Values.Where(value => value.Initializer is null && value.Type is { } type && IsHalf((DataType)(type.TensorType?.ElemType ?? 0))))
        {
            value.Type = value.Type!.Clone();
            value.Type.TensorType.ElemType = (int)DataType.Float;
        }
    }

    private static bool IsHalf(DataType type) => type is DataType.Float16 or DataType.Bfloat16;

    private static void Widen(OnnxGraph graph, Value value)
    {
        Tensor stored = value.Initializer!;
        if (stored.Count <= SmallEnoughToStore)
        {
            Value converted = graph.AddInitializer(Tensor.Of(graph.UniqueName($"{value.Name}.float32"), stored.ReadSingles(), [.. stored.Shape]));
            OnnxGraph.ReplaceUses(value, converted);
        }
        else
        {
            CastWhereUsed(new OpEmitter(graph, value.Name), value);
        }
    }

    private static void CastWhereUsed(OpEmitter emit, Value value)
    {
        foreach (Use use in value.Uses.Where(use => use is { Node.OpType: "Gather", Input: 0 }).ToArray())
        {
            Value rows = use.Node.Output;
            Value wide = ToSingle(emit, rows);
            OnnxGraph.ReplaceUses(rows, wide, except: wide.Producer);
        }
        if (value.Uses.Any(use => use is not { Node.OpType: "Gather", Input: 0 }))
        {
            Value wide = ToSingle(emit, value);
            foreach (Use use in value.Uses.Where(use => use.Node != wide.Producer && use is not { Node.OpType: "Gather", Input: 0 }).ToArray())
            {
                use.Node.Rewire(use.Input, wide);
            }
        }
    }

    private static Value ToSingle(OpEmitter emit, Value value) => emit.Op("Cast", [value], NodeAttributes.Of("to", (long)DataType.Float));

    /// <summary>Casts and constants inside nodes.</summary>
    private static void Widen(Node node)
    {
        if (node.Is("Cast") && IsHalf((DataType)node.Attributes.Int("to", 0)))
        {
            node.Attributes.Set(NodeAttributes.Of("to", (long)DataType.Float));
        }
        if (node.OpType is "Constant" or "ConstantOfShape" && node.Attributes.Tensor("value") is { } tensor && IsHalf((DataType)tensor.DataType))
        {
            Tensor half = Tensor.Stored(tensor);
            node.Attributes.Set(NodeAttributes.Of("value", Tensor.Inline("", DataType.Float, MemoryMarshal.AsBytes<float>(half.ReadSingles()), [.. half.Shape])));
        }
    }
}
