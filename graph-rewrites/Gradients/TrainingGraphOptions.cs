namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>Which runtime a training graph is for.</summary>
public enum TrainingRuntime
{
    /// <summary>ONNX Runtime of this release: the fastest operators that it has.</summary>
    OnnxRuntime,

    /// <summary>ONNX Runtime Training, 1.19.2 and later: only operators that it has too, and no opset above 21.</summary>
    OnnxRuntimeTraining,

    /// <summary>ONNX Runtime of this release with kernels for <see cref="KernelOperators"/>, on the processor: the fastest.</summary>
    AlignerKernels,
}

/// <summary>How the tokens of an adapter take part in attention.</summary>
public enum AttentionReading
{
    /// <summary>The tokens have a softmax of their own, times a gate for each head, from the start layer on (the paper's).</summary>
    Gated,

    /// <summary>The tokens stand at positions 0 .. N - 1 of the sequence in every layer and share its softmax; there are no gates.</summary>
    Concat,
}

/// <summary>How a training graph computes.</summary>
public sealed record TrainingGraphOptions
{
    /// <summary>Whether the backward pass computes activations again, layer by layer, rather than keep them: less memory, more time, the same numbers. Default false.</summary>
    public bool Recompute { get; init; }

    /// <summary>How tokens take part in attention. Default <see cref="AttentionReading.Gated"/>; <see cref="AttentionReading.Concat"/> takes start layer 0 alone.</summary>
    public AttentionReading Attention { get; init; }

    /// <summary>The runtime. Default <see cref="TrainingRuntime.OnnxRuntime"/>.</summary>
    public TrainingRuntime Runtime { get; init; }

    /// <summary>The loss over pairs of answers; null (the default) is the cross entropy of the targets.</summary>
    public PreferenceLossOptions? Preference { get; init; }

    /// <summary>
    /// Logits of so many words of the vocabulary are there at once, 1 or more. Default 4096: with 512 targets 8 MB, where all logits of a vocabulary of 49,152 words would be 100 MB.
    /// Heads that are not a quantised projection, and graphs for ONNX Runtime Training, have all of them at once.
    /// </summary>
    public int VocabularyPiece { get; init; } = 4096;
}
