using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>The loss of supervised training: sum_i weight_i * -log-probability_i over the targets of a batch.</summary>
internal sealed class CrossEntropyLoss : ITrainingLoss
{
    private CrossEntropyLoss(Value loss, Value weights)
    {
        Outputs = [(loss, Shapes.Declare(DataType.Float))];
        TargetWeights = weights;
    }

    /// <inheritdoc/>
    public IReadOnlyList<(Value Value, TypeProto Type)> Outputs { get; }

    /// <inheritdoc/>
    public Value TargetWeights { get; }

    /// <summary>Attaches the loss to the log-probabilities of the targets.</summary>
    public static CrossEntropyLoss Attach(TargetLogProbabilities targets)
    {
        Value weights = Weights(targets.Emit.Graph);
        return new CrossEntropyLoss(targets.Emit.Named("loss", "Neg", WeightedSum(targets, weights)), weights);
    }

    /// <summary>The input <c>target_weights</c>, [m].</summary>
    public static Value Weights(OnnxGraph graph) => graph.AddInput("target_weights", Shapes.Declare(DataType.Float, "targets"));

    /// <summary>sum_i weight_i * log-probability_i.</summary>
    public static Value WeightedSum(TargetLogProbabilities targets, Value weights) =>
        targets.Emit.ReduceSum(targets.Emit.Mul(targets.Values, weights), keepDimensions: false, 0);
}
