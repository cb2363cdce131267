using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The concat reading in the gradient graph, before the decoder is lowered. As the layout <c>prefix</c> has it, N places stand before every sequence, and in every layer the key and value
/// projections read the raw tokens there: keys are then normalised and rotated at positions 0 .. N - 1 as any others, and joined by the layer's own softmax. What the N places
/// themselves give is read by nobody. No form of attention needs to be known for that.
/// </summary>
internal static class ConcatTrainingInjection
{
    /// <summary>Adds the input of tokens [N, d] to a decoder; its logits stay those of the sequences alone.</summary>
    /// <exception cref="ModelRefusedException">The decoder has no such inputs, or its projections cannot read tokens.</exception>
    public static (Value Tokens, LeadingTokens Leading) Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites, int tokenCount)
    {
        OnnxGraph graph = model.Graph;
        OpEmitter emit = new(graph, "aligner.concat");
        (long count, long size) = (tokenCount, sites[0].HiddenSize);
        (Value ids, Value mask) = (DecoderLowering.RequireInput(model, DecoderLowering.InputIds), DecoderLowering.RequireInput(model, DecoderLowering.AttentionMask));
        Value tokens = graph.AddInput(TrainingInjection.Tokens, Shapes.Declare(DataType.Float, count, size));
        Value batch = emit.Op("Shape", [ids], NodeAttributes.Of("start", 0L), NodeAttributes.Of("end", 1L));
        LeadingTokens leading = new(Lengthen(emit, ids, batch, count, 0), Lengthen(emit, mask, batch, count, 1), tokenCount);
        Value rows = emit.Op("Expand", [emit.Op("Unsqueeze", [tokens, emit.Integers([0])]), Join(emit, 0, batch, emit.Integers([count, size]))]);
        foreach (AttentionSite site in sites)
        {
            OpEmitter layer = emit.Within($"layer{site.Layer}");
            KeyValueSources.Replace(site, (source, flat) => flat
                ? layer.Reshape(Lead(layer, rows, layer.Op("Reshape", [source, Join(layer, 0, batch, layer.Integers([-1, size]))]), count), -1, size)
                : Lead(layer, rows, source, count));
        }
        LeaveOut(emit, OutputHead.Of(model), count);
        return (tokens, leading);
    }

    /// <summary>A number in each of the places before the sequences.</summary>
    private static Value Lengthen(OpEmitter emit, Value input, Value batch, long count, long number)
    {
        Use[] readers = [.. input.Uses.Where(use => use.Node != batch.Producer)];
        Value front = emit.Op("Expand", [emit.Integer(number, input.ElementType), Join(emit, 0, batch, emit.Integers([count]))]);
        Value longer = Join(emit, 1, front, input);
        foreach (Use reader in readers)
        {
            reader.Node.Rewire(reader.Input, longer);
        }
        return longer;
    }

    /// <summary>The tokens in place of the first rows.</summary>
    private static Value Lead(OpEmitter emit, Value rows, Value source, long count) => Join(emit, 1, rows, From(emit, source, count));

    /// <summary>The head reads the rows behind the tokens alone.</summary>
    private static void LeaveOut(OpEmitter emit, Node head, long count) => head.Rewire(0, From(emit, head.Input(0)!, count));

    private static Value From(OpEmitter emit, Value source, long first) => emit.Slice(source, 1, first, long.MaxValue - first);

    private static Value Join(OpEmitter emit, long axis, params Value[] parts) => emit.Op("Concat", parts, NodeAttributes.Of("axis", axis));
}
