namespace AlignerOnnx.Training;

/// <summary>One way to make a training step.</summary>
public sealed record TrainingStepCase
{
    /// <summary>Rows of the batch, 1 or more. Default 4.</summary>
    public int Rows { get; init; } = 4;

    /// <summary>Tokens of a row, 4 or more; the second half is the completion. Default 64.</summary>
    public int Length { get; init; } = 64;

    /// <summary>Whether rows differ in length: a quarter, a half, three quarters and all of <see cref="Length"/> in turn.</summary>
    public bool Mixed { get; init; }

    /// <summary>Whether short rows share a line.</summary>
    public bool Pack { get; init; }

    /// <summary>N, 1 or more. Default 1.</summary>
    public int Tokens { get; init; } = 1;

    /// <summary>Whether activations are computed again rather than kept.</summary>
    public bool Recompute { get; init; }

    /// <summary>Whether weights for MatMulNBits are de-quantised first, so that the model is one of float32.</summary>
    public bool Float32 { get; init; }

    /// <summary>Whether a native ONNX Runtime built with training computes.</summary>
    public bool OrtTraining { get; init; }

    /// <summary>Where plain ONNX Runtime computes. Default the processor.</summary>
    public ComputeDevice Device { get; init; }

    /// <summary>Checks every range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is outside its range.</exception>
    public void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Length, 4);
        ArgumentOutOfRangeException.ThrowIfLessThan(Tokens, 1);
    }

    internal IReadOnlyList<TrainingExample> MakeRows() => [.. Enumerable.Range(0, Rows).Select(row => MakeRow(row, Mixed ? Length * ((row % 4) + 1) / 4 : Length))];

    private static TrainingExample MakeRow(int row, int length)
    {
        int[] ids = [.. Enumerable.Range(0, length).Select(i => 3 + ((i * 31) + (row * 17)) % 900)];
        return new TrainingExample(ids, [.. ids.Select((id, i) => i < length / 2 ? TrainingExample.IgnoredLabel : id)]);
    }
}

/// <summary>What a case cost.</summary>
/// <param name="Step">A training step against a forward pass over the same batch.</param>
/// <param name="RealTokens">Tokens of the batch, padding not counted.</param>
/// <param name="PeakMemoryBytes">Peak memory of the process after training steps alone, before a session for the forward pass is opened; with ONNX Runtime Training, that of its process.</param>
public sealed record TrainingStepResult(PairedResult Step, int RealTokens, long PeakMemoryBytes)
{
    /// <summary>Real tokens that a second of training reads.</summary>
    public double TokensPerSecond => RealTokens / Step.SecondMilliseconds * 1000;
}
