using System.Runtime.InteropServices;

namespace AlignerOnnx.Training;

/// <summary>A tensor that a native library reads: long or float numbers and their shape.</summary>
internal sealed record TensorData(Array Data, params long[] Shape)
{
    /// <summary>Size of the numbers.</summary>
    public nuint Bytes => (nuint)Buffer.ByteLength(Data);

    /// <summary>The inputs of an evaluation graph, in its order.</summary>
    public static TensorData[] Of(TrainingBatch batch)
    {
        long[] grid = [batch.LineCount, batch.Length];
        long[] targets = [batch.TargetCount];
        return [new(batch.InputIds, grid), new(batch.AttentionMask, grid), new(batch.TargetPositions, targets), new(batch.TargetIds, targets), new(batch.TargetWeights, targets)];
    }

    /// <summary>The inputs of a training graph, in its order: a loss over pairs reads what is known of them too.</summary>
    public static TensorData[] WithPairs(TrainingBatch batch)
    {
        if (batch.Pairs is not PairTargets pairs)
        {
            return Of(batch);
        }
        long[] targets = [batch.TargetCount];
        return
        [
            .. Of(batch), new(pairs.Sequences, targets), new(pairs.SequenceWeights, targets), new(pairs.ReferenceLogProbabilities, pairs.ReferenceLogProbabilities.Length),
            new(pairs.Weights, pairs.Weights.Length), new(pairs.KeptLogProbabilities, targets), new(pairs.KeptWeights, targets),
        ];
    }
}

/// <summary>Holds arrays in place while a native library reads them.</summary>
internal sealed class PinnedTensors(IReadOnlyList<TensorData> tensors) : IDisposable
{
    private readonly GCHandle[] _pins = [.. tensors.Select(tensor => GCHandle.Alloc(tensor.Data, GCHandleType.Pinned))];

    /// <summary>The address of an array.</summary>
    public nint this[int index] => _pins[index].AddrOfPinnedObject();

    public void Dispose() => Array.ForEach(_pins, pin => pin.Free());
}
