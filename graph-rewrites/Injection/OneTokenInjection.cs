using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>one-token</c>: <c>aligner.delta</c> [b, L, d], the folded vector of each layer, is added behind the output projection.
/// One Split for the model and one Add a layer; the default is zero, so that a model without an adapter computes what the base computes.
/// </summary>
public static class OneTokenInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "one-token";

    /// <summary>The slot's name.</summary>
    public const string Slot = "aligner.delta";

    /// <summary>Adds the slot to a model.</summary>
    /// <param name="model">The model, changed in place.</param>
    /// <param name="sites">Its attention sites, all of them, in execution order.</param>
    /// <exception cref="ModelRefusedException">The model has the slot already.</exception>
    public static void Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(sites);
        if (model.Graph.Find(Slot) is not null)
        {
            throw new ModelRefusedException("The model is patched already", model.Path, $"a value '{Slot}'", "a base model", "patch the base model instead");
        }
        Value slot = AddSlot(model.Graph, sites);
        OpEmitter emit = new(model.Graph, "aligner.one_token");
        long[] ones = [.. sites.Select(_ => 1L)];
        Value[] vectors = sites.Count == 1 ? [slot] : emit.Split(slot, axis: 1, ones);
        foreach ((AttentionSite site, Value vector) in sites.Zip(vectors))
        {
            Value result = site.Output.Result;
            Value sum = emit.Within($"layer{site.Layer}").Add(result, vector);
            OnnxGraph.ReplaceUses(result, sum, except: sum.Producer);
        }
        model.SetMetadata("aligner.slots", Layout);
    }

    private static Value AddSlot(OnnxGraph graph, IReadOnlyList<AttentionSite> sites)
    {
        DataType type = sites[0].ElementType;
        long size = sites[0].Output.OutputSize;
        byte[] zeros = new byte[ElementTypes.ByteLength(type, sites.Count * size)];
        TypeProto declared = Shapes.Declare(type, "aligner_batch", sites.Count, size);
        Value slot = graph.AddInput(Slot, declared);
        // The default stays inside the .onnx file: it must not move the base model's data.
        graph.AddInitializer(Tensor.Inline(Slot, type, zeros, 1, sites.Count, size));
        return slot;
    }
}
