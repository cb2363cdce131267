using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>The values of one run that depend on the batch: they wrap the batch's own arrays, nothing is copied.</summary>
internal sealed class BatchValues : IDisposable
{
    private readonly float[] _loss = new float[1];

    public BatchValues(TrainingBatch batch, long[] lossShape)
    {
        long[] targets = [batch.TargetCount];
        TargetLogProbabilities = new float[batch.TargetCount];
        Inputs = [.. TensorData.Of(batch).Select(tensor => tensor.ToOrtValue())];
        PairInputs = [.. TensorData.OfPairs(batch).Select(tensor => tensor.ToOrtValue())];
        Rewards = batch.Pairs is null ? null : new float[batch.Pairs.ReferenceLogProbabilities.Length];
        PairOutputs = Rewards is null ? [] : [OrtValue.CreateTensorValueFromMemory(Rewards, [Rewards.Length])];
        Outputs =
        [
            OrtValue.CreateTensorValueFromMemory(_loss, lossShape),
            OrtValue.CreateTensorValueFromMemory(TargetLogProbabilities, targets),
        ];
    }

    /// <summary>The first five names of <see cref="GradientGraphNames.Inputs"/>.</summary>
    public OrtValue[] Inputs { get; }

    /// <summary>The names of <see cref="GradientGraphNames.EvaluationOutputs"/>.</summary>
    public OrtValue[] Outputs { get; }

    /// <summary>The names of <see cref="GradientGraphNames.PreferenceInputs"/>; empty for a batch without pairs.</summary>
    public OrtValue[] PairInputs { get; }

    /// <summary>The output <c>rewards</c>; empty for a batch without pairs.</summary>
    public OrtValue[] PairOutputs { get; }

    public float[]? Rewards { get; }

    public double Loss => _loss[0];

    public float[] TargetLogProbabilities { get; }

    public void Dispose()
    {
        foreach (OrtValue value in Inputs.Concat(Outputs).Concat(PairInputs).Concat(PairOutputs))
        {
            value.Dispose();
        }
    }
}
