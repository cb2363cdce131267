using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>A tensor that a native library reads: long or float numbers and their shape.</summary>
internal sealed record TensorData(Array Data, params long[] Shape)
{
    /// <summary>Size of the numbers.</summary>
    public nuint Bytes => (nuint)Buffer.ByteLength(Data);

    /// <summary>The inputs of an evaluation graph that depend on the batch, in its order.</summary>
    public static TensorData[] Of(TrainingBatch batch)
    {
        long[] grid = [batch.LineCount, batch.Length];
        long[] targets = [batch.TargetCount];
        return [new(batch.InputIds, grid), new(batch.AttentionMask, grid), new(batch.TargetPositions, targets), new(batch.TargetIds, targets), new(batch.TargetWeights, targets)];
    }

    /// <summary>What a loss over pairs reads besides, in the order of <see cref="GradientGraphNames.PreferenceInputs"/>; nothing for a batch without pairs.</summary>
    public static TensorData[] OfPairs(TrainingBatch batch)
    {
        if (batch.Pairs is not PairTargets pairs)
        {
            return [];
        }
        long[] targets = [batch.TargetCount];
        return
        [
            new(pairs.Sequences, targets), new(pairs.SequenceWeights, targets), new(pairs.ReferenceLogProbabilities, pairs.ReferenceLogProbabilities.Length),
            new(pairs.Weights, pairs.Weights.Length), new(pairs.KeptLogProbabilities, targets), new(pairs.KeptWeights, targets),
        ];
    }

    /// <summary>The tensor for ONNX Runtime; it wraps the array, nothing is copied.</summary>
    public OrtValue ToOrtValue() => Data is long[] whole ? OrtValue.CreateTensorValueFromMemory(whole, Shape) : OrtValue.CreateTensorValueFromMemory((float[])Data, Shape);
}

/// <summary>Holds arrays in place while a native library reads them.</summary>
internal sealed class PinnedTensors(IReadOnlyList<TensorData> tensors) : IDisposable
{
    private readonly GCHandle[] _pins = [.. tensors.Select(tensor => GCHandle.Alloc(tensor.Data, GCHandleType.Pinned))];

    /// <summary>The address of an array.</summary>
    public nint this[int index] => _pins[index].AddrOfPinnedObject();

    public void Dispose() => Array.ForEach(_pins, pin => pin.Free());
}
