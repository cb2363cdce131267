using AlignerOnnx.Graph;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>A loss made of the log-probabilities of targets.</summary>
internal interface ITrainingLoss
{
    /// <summary>What an evaluation reports: the loss, a scalar, first.</summary>
    IReadOnlyList<(Value Value, TypeProto Type)> Outputs { get; }

    /// <summary>-dloss / dlog-probability of each target, [m].</summary>
    Value TargetWeights { get; }
}
