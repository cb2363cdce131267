using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Adds slots: graph inputs with a default, which callers may leave out.</summary>
internal static class Slots
{
    /// <summary>
    /// A slot whose default is filled with negative zeros: x + -0 is x for every x, while x + 0 turns -0 into 0. The default stays inside the .onnx file: it must not
    /// move the base model's data.
    /// </summary>
    /// <param name="graph">The graph.</param>
    /// <param name="name">The slot's name.</param>
    /// <param name="type">The element type.</param>
    /// <param name="declared">The declared shape.</param>
    /// <param name="shape">The shape of the default.</param>
    public static Value Add(OnnxGraph graph, string name, DataType type, ReadOnlySpan<Dimension> declared, params ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long size in shape)
        {
            count *= size;
        }
        float[] zeros = new float[count];
        Array.Fill(zeros, -0f);
        Value slot = graph.AddInput(name, Shapes.Declare(type, declared));
        graph.AddInitializer(Tensor.Inline(name, type, FloatEncoding.ToBytes(zeros, type), shape));
        return slot;
    }

    /// <summary>Lets every reader of a value read its sum with an adapter's part; callers who read the value as an output of the graph get the sum under its name.</summary>
    /// <param name="value">What the base model computes.</param>
    /// <param name="sum">The output of an Add that reads it.</param>
    public static void Join(Value value, Value sum)
    {
        OnnxGraph.ReplaceUses(value, sum, except: sum.Producer);
        if (value.IsGraphOutput)
        {
            OnnxGraph.Exchange(value, sum);
        }
    }

    /// <summary>The parts of a slot for each layer, along an axis; each keeps the axis with size 1.</summary>
    public static Value[] PerLayer(OpEmitter emit, Value slot, long axis, IReadOnlyList<AttentionSite> sites) =>
        sites.Count == 1 ? [slot] : emit.Split(slot, axis, [.. sites.Select(_ => 1L)]);
}
