using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>
/// The loss of preference training. Sequence 2k of a batch is the preferred answer of pair k, sequence 2k + 1 the other one. The log-ratio of a sequence is the weighted sum of
/// its targets' log-probabilities minus the reference's; its reward is beta times that, the margin the difference of a pair's rewards. To the pairs' weighted losses two sums over
/// targets are added, each by weights of its own: the cross entropy, and half the square of what a log-probability moved away from the reference's (to second order the divergence of
/// the adapted model from the reference, where the targets are drawn from it).
/// </summary>
internal sealed class PreferenceLoss : ITrainingLoss
{
    private readonly OpEmitter _emit;
    private readonly PreferenceLossOptions _options;
    private readonly Value _sequences;
    private readonly Value _sequenceWeights;
    private readonly Value _pairWeights;

    private PreferenceLoss(TargetLogProbabilities targets, PreferenceLossOptions options)
    {
        _emit = targets.Emit;
        _options = options;
        OnnxGraph graph = _emit.Graph;
        Value supervised = CrossEntropyLoss.Weights(graph);
        _sequences = graph.AddInput("target_sequences", Shapes.Declare(DataType.Int64, "targets"));
        _sequenceWeights = graph.AddInput("sequence_weights", Shapes.Declare(DataType.Float, "targets"));
        Value reference = graph.AddInput("reference_log_probabilities", Shapes.Declare(DataType.Float, "sequences"));
        _pairWeights = graph.AddInput("pair_weights", Shapes.Declare(DataType.Float, "pairs"));

        Value rewards = Rewards(targets.Values, reference);
        Value margins = Margins(rewards);
        Value pairs = _emit.ReduceSum(_emit.Mul(Losses(margins), _pairWeights), keepDimensions: false, 0);
        Value moved = _emit.Sub(targets.Values, graph.AddInput("kept_log_probabilities", Shapes.Declare(DataType.Float, "targets")));
        Value pull = _emit.Mul(moved, graph.AddInput("kept_weights", Shapes.Declare(DataType.Float, "targets")));
        Value kept = _emit.Mul(_emit.ReduceSum(_emit.Mul(pull, moved), keepDimensions: false, 0), Scalar(0.5));
        Value loss = _emit.Named("loss", "Sub", _emit.Add(pairs, kept), CrossEntropyLoss.WeightedSum(targets, supervised));
        Outputs = [(loss, Shapes.Declare(DataType.Float)), (rewards, Shapes.Declare(DataType.Float, "sequences"))];
        TargetWeights = _emit.Sub(_emit.Sub(supervised, TargetDerivatives(margins)), pull);
    }

    /// <inheritdoc/>
    public IReadOnlyList<(Value Value, TypeProto Type)> Outputs { get; }

    /// <inheritdoc/>
    public Value TargetWeights { get; }

    /// <summary>Attaches the loss to the log-probabilities of the targets.</summary>
    public static PreferenceLoss Attach(TargetLogProbabilities targets, PreferenceLossOptions options)
    {
        options.Check();
        return new PreferenceLoss(targets, options);
    }

    /// <summary>[2 P]</summary>
    private Value Rewards(Value logProbabilities, Value reference)
    {
        Value logRatios = _emit.Op("ScatterElements", [_emit.Op("Neg", [reference]), _sequences, _emit.Mul(logProbabilities, _sequenceWeights)],
            NodeAttributes.Of("axis", 0L), NodeAttributes.Of("reduction", "add"));
        return _emit.Named("rewards", "Mul", logRatios, Scalar(_options.Beta));
    }

    /// <summary>[P]</summary>
    private Value Margins(Value rewards)
    {
        Value[] sides = _emit.Split(_emit.Reshape(rewards, -1, 2), 1, 1, 1);
        return _emit.Reshape(_emit.Sub(sides[0], sides[1]), -1);
    }

    /// <summary>The loss of each pair, [P]: softplus(-margin) = -log sigmoid(margin).</summary>
    private Value Losses(Value margins)
    {
        if (_options.Kind == PreferenceLossKind.Ipo)
        {
            Value distance = DistanceToTarget(margins);
            return _emit.Mul(distance, distance);
        }
        Value right = _emit.Op("Softplus", [_emit.Op("Neg", [margins])]);
        return _options.LabelSmoothing == 0
            ? right
            : _emit.Add(_emit.Mul(right, Scalar(1 - _options.LabelSmoothing)), _emit.Mul(_emit.Op("Softplus", [margins]), Scalar(_options.LabelSmoothing)));
    }

    /// <summary>dloss / dmargin of each pair, [P].</summary>
    private Value MarginDerivatives(Value margins) => _options.Kind == PreferenceLossKind.Ipo
        ? _emit.Mul(DistanceToTarget(margins), Scalar(2 / _options.Beta))
        : _emit.Sub(_emit.Op("Sigmoid", [margins]), Scalar(1 - _options.LabelSmoothing));

    /// <summary>log-ratio margin - 1 / (2 beta) = (margin - 1/2) / beta.</summary>
    private Value DistanceToTarget(Value margins) => _emit.Mul(_emit.Sub(margins, Scalar(0.5)), Scalar(1 / _options.Beta));

    /// <summary>dloss / dlog-probability by way of the pairs, [m].</summary>
    private Value TargetDerivatives(Value margins)
    {
        Value chosen = _emit.Mul(_emit.Mul(MarginDerivatives(margins), _pairWeights), Scalar(_options.Beta));
        Value column = _emit.Reshape(chosen, -1, 1);
        Value sequences = _emit.Reshape(_emit.Op("Concat", [column, _emit.Op("Neg", [column])], NodeAttributes.Of("axis", 1L)), -1);
        return _emit.Mul(_emit.Op("Gather", [sequences, _sequences], NodeAttributes.Of("axis", 0L)), _sequenceWeights);
    }

    private Value Scalar(double number) => _emit.Scalar((float)number);
}
