using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>The values of one run that depend on the batch: they wrap the batch's own arrays, nothing is copied.</summary>
internal sealed class BatchValues : IDisposable
{
    private readonly float[] _loss = new float[1];

    public BatchValues(TrainingBatch batch, long[] lossShape)
    {
        long[] grid = [batch.LineCount, batch.Length];
        long[] targets = [batch.TargetCount];
        TargetLogProbabilities = new float[batch.TargetCount];
        Inputs =
        [
            OrtValue.CreateTensorValueFromMemory(batch.InputIds, grid),
            OrtValue.CreateTensorValueFromMemory(batch.AttentionMask, grid),
            OrtValue.CreateTensorValueFromMemory(batch.TargetPositions, targets),
            OrtValue.CreateTensorValueFromMemory(batch.TargetIds, targets),
            OrtValue.CreateTensorValueFromMemory(batch.TargetWeights, targets),
        ];
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

    public double Loss => _loss[0];

    public float[] TargetLogProbabilities { get; }

    public void Dispose()
    {
        foreach (OrtValue value in Inputs.Concat(Outputs))
        {
            value.Dispose();
        }
    }
}
