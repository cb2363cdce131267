using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Recognition.Projections;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>log softmax(logits_i)[id_i] of the targets of a batch, from which every loss is made. Logits are computed at the target positions only.</summary>
internal sealed class TargetLogProbabilities
{
    private readonly Value _ids;
    private readonly Value _all;

    private TargetLogProbabilities(OpEmitter emit, Value logits, Value ids)
    {
        Emit = emit;
        _ids = emit.Op("Unsqueeze", [ids, emit.Integers([1])]);
        Logits = logits;
        _all = emit.Op("LogSoftmax", [logits], NodeAttributes.Of("axis", -1L));
        Value picked = emit.Op("GatherElements", [_all, _ids], NodeAttributes.Of("axis", 1L));
        Values = emit.Named("target_log_probabilities", "Squeeze", picked, emit.Integers([1]));
    }

    /// <summary>Adds nodes of the loss.</summary>
    public OpEmitter Emit { get; }

    /// <summary>The logits at the targets, [m, V].</summary>
    public Value Logits { get; }

    /// <summary>Log-probability of each target, [m].</summary>
    public Value Values { get; }

    /// <summary>Attaches them to a lowered decoder.</summary>
    /// <param name="model">The decoder, with the output <c>logits</c>.</param>
    public static TargetLogProbabilities Attach(OnnxModel model)
    {
        OnnxGraph graph = model.Graph;
        Value positions = graph.AddInput("target_positions", Shapes.Declare(DataType.Int64, "targets"));
        Value ids = graph.AddInput("target_ids", Shapes.Declare(DataType.Int64, "targets"));
        OpEmitter emit = new(graph, "aligner.loss");
        Node head = OutputHead.Of(model);
        Value logits = graph.Find("logits")!;
        graph.RemoveOutput(logits);
        KeepTargets(emit, head, positions);
        return new TargetLogProbabilities(emit, logits, ids);
    }

    /// <summary>dloss / dlogits = weight (softmax - one-hot), with the weights -dloss / dlog-probability, [m].</summary>
    public Value LogitsGradient(Value weights)
    {
        Value column = Emit.Op("Unsqueeze", [weights, Emit.Integers([1])]);
        Value softmax = Emit.Mul(Emit.Op("Exp", [_all]), column);
        return Emit.Op("ScatterElements", [softmax, _ids, Emit.Op("Neg", [column])], NodeAttributes.Of("axis", 1L), NodeAttributes.Of("reduction", "add"));
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
