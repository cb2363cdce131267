using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Recognition.Projections;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>log softmax(logits_i)[id_i] of the targets of a batch, from which every loss is made. Logits are computed at the target positions only.</summary>
internal abstract class TargetLogProbabilities(OpEmitter emit)
{
    /// <summary>Adds nodes of the loss.</summary>
    public OpEmitter Emit => emit;

    /// <summary>Log-probability of each target, [m].</summary>
    public abstract Value Values { get; }

    /// <summary>Where differentiation of the decoder starts: a value that all log-probabilities are computed from.</summary>
    public abstract Value Origin { get; }

    /// <summary>The gradient of <see cref="Origin"/>.</summary>
    /// <param name="weights">-dloss / dlog-probability of each target, [m].</param>
    public abstract Value OriginGradient(Value weights);

    /// <summary>Attaches them to a lowered decoder.</summary>
    /// <param name="model">The decoder, with the output <c>logits</c>.</param>
    /// <param name="options">How to compute them.</param>
    /// <param name="differentiated">Whether <see cref="OriginGradient"/> will be asked for.</param>
    public static TargetLogProbabilities Attach(OnnxModel model, TrainingGraphOptions options, bool differentiated)
    {
        OnnxGraph graph = model.Graph;
        Value positions = graph.AddInput("target_positions", Shapes.Declare(DataType.Int64, "targets"));
        Value ids = graph.AddInput("target_ids", Shapes.Declare(DataType.Int64, "targets"));
        OpEmitter emit = new(graph, "aligner.loss");
        Node head = OutputHead.Of(model);
        Value logits = graph.Find("logits")!;
        graph.RemoveOutput(logits);
        KeepTargets(emit, head, positions);
        Redeclare(head.Output, logits);
        return logits == head.Output && VocabularyInPieces.Takes(head, options)
            ? new VocabularyInPieces(emit, head, ids, options, differentiated)
            : new WholeVocabulary(emit, logits, ids);
    }

    /// <summary>The values from the head to the logits have another rank now; runtimes that compare what is declared with what they infer refuse an old declaration.</summary>
    private static void Redeclare(Value first, Value logits)
    {
        for (Value? value = logits; value is not null; value = value == first ? null : value.Producer!.Inputs.First(input => input is { IsConstant: false }))
        {
            value.Type = value.Type is null ? null : Shapes.Declare(value.ElementType, "targets", ProjectionRecogniser.Computing(first).Found!.OutputSize);
        }
    }

    private static void KeepTargets(OpEmitter emit, Node head, Value positions)
    {
        Value hidden = head.Input(0)!;
        long size = ProjectionRecogniser.Computing(head.Output).Found!.InputSize;
        Value flat = emit.Reshape(hidden, -1, size);
        Value kept = emit.Op("Gather", [flat, positions], NodeAttributes.Of("axis", 0L));
        head.Rewire(0, kept);
    }
}
