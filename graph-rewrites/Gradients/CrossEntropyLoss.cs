using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Recognition.Projections;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>
/// The loss: sum_i weight_i * -log softmax(logits_i)[id_i] over the targets of a batch. Logits are computed at the target positions only.
/// </summary>
internal sealed class CrossEntropyLoss
{
    private readonly OpEmitter _emit;
    private readonly Value _ids;
    private readonly Value _weights;
    private readonly Value _logProbabilities;

    private CrossEntropyLoss(OpEmitter emit, Value logits, Value ids, Value weights)
    {
        _emit = emit;
        _ids = emit.Op("Unsqueeze", [ids, emit.Integers([1])]);
        _weights = weights;
        Logits = logits;
        _logProbabilities = emit.Op("LogSoftmax", [logits], NodeAttributes.Of("axis", -1L));
        Value picked = emit.Op("GatherElements", [_logProbabilities, _ids], NodeAttributes.Of("axis", 1L));
        TargetLogProbabilities = Named("target_log_probabilities", "Squeeze", [picked, emit.Integers([1])]);
        Value weighted = emit.Op("Mul", [TargetLogProbabilities, weights]);
        Loss = Named("loss", "Neg", [emit.ReduceSum(weighted, keepDimensions: false, 0)]);
    }

    /// <summary>The logits at the targets, [m, V].</summary>
    public Value Logits { get; }

    /// <summary>Log-probability of each target, [m].</summary>
    public Value TargetLogProbabilities { get; }

    /// <summary>The loss, a scalar.</summary>
    public Value Loss { get; }

    /// <summary>Attaches the loss to a lowered decoder.</summary>
    /// <param name="model">The decoder, with the output <c>logits</c>.</param>
    public static CrossEntropyLoss Attach(OnnxModel model)
    {
        OnnxGraph graph = model.Graph;
        Value positions = graph.AddInput("target_positions", Shapes.Declare(DataType.Int64, "targets"));
        Value ids = graph.AddInput("target_ids", Shapes.Declare(DataType.Int64, "targets"));
        Value weights = graph.AddInput("target_weights", Shapes.Declare(DataType.Float, "targets"));
        OpEmitter emit = new(graph, "aligner.loss");
        Node head = OutputHead.Of(model);
        Value logits = graph.Find("logits")!;
        graph.RemoveOutput(logits);
        KeepTargets(emit, head, positions);
        return new CrossEntropyLoss(emit, logits, ids, weights);
    }

    /// <summary>dloss / dlogits = weight (softmax - one-hot).</summary>
    public Value LogitsGradient()
    {
        Value column = _emit.Op("Unsqueeze", [_weights, _emit.Integers([1])]);
        Value softmax = _emit.Mul(_emit.Op("Exp", [_logProbabilities]), column);
        return _emit.Op("ScatterElements", [softmax, _ids, _emit.Op("Neg", [column])], NodeAttributes.Of("axis", 1L), NodeAttributes.Of("reduction", "add"));
    }

    private static void KeepTargets(OpEmitter emit, Node head, Value positions)
    {
        Value hidden = head.Input(0)!;
        long size = ProjectionRecogniser.Computing(head.Output).Found!.InputSize;
        Value flat = emit.Reshape(hidden, -1, size);
        Value kept = emit.Op("Gather", [flat, positions], NodeAttributes.Of("axis", 0L));
        head.Rewire(0, kept);
    }

    private Value Named(string name, string opType, IReadOnlyList<Value?> inputs) => _emit.Graph.AddNode(opType, Domains.Standard, name, inputs, [name]).Output;
}
