using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Adds slots: graph inputs that have a neutral default, stored in the .onnx file so that it does not move the base model's data.</summary>
internal static class SlotEmitter
{
    /// <summary>The dimension of a slot that is 1 or the batch size: rows of one batch may carry different adapters.</summary>
    public const string AdapterBatch = "aligner_batch";

    /// <summary>The dimension of a slot that counts tokens, 0 by default.</summary>
    public const string TokenCount = "aligner_tokens";

    /// <summary>Adds a slot whose default is zero.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="name">The slot's name.</param>
    /// <param name="type">The element type, that of the layers' activations.</param>
    /// <param name="defaults">What symbolic dimensions are in the default: 1 for a batch, 0 for tokens.</param>
    /// <param name="shape">The declared shape.</param>
    public static Value Add(OnnxGraph graph, string name, DataType type, long defaults, params ReadOnlySpan<Dimension> shape)
    {
        long[] sizes = new long[shape.Length];
        for (int i = 0; i < sizes.Length; i++)
        {
            sizes[i] = shape[i].Symbol switch
            {
                null => shape[i].Size,
                AdapterBatch => 1,
                _ => defaults,
            };
        }
        long count = sizes.Aggregate(1L, (product, size) => checked(product * size));
        TypeProto declared = Shapes.Declare(type, shape);
        Value slot = graph.AddInput(name, declared);
        graph.AddInitializer(Tensor.Inline(name, type, new byte[ElementTypes.ByteLength(type, count)], sizes));
        return slot;
    }

    /// <summary>One part for each layer along an axis, each of size 1 there.</summary>
    public static Value[] PerLayer(OpEmitter emit, Value slot, int axis, int layers) =>
        layers == 1 ? [slot] : emit.Split(slot, axis, [.. Enumerable.Repeat(1L, layers)]);
}
