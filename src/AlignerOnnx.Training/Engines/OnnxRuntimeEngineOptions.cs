using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>How <see cref="OnnxRuntimeEngine"/> runs its graphs.</summary>
public sealed record OnnxRuntimeEngineOptions
{
    /// <summary>Threads of one operator, 0 or more; 0 (the default) lets ONNX Runtime take one for each core.</summary>
    public int Threads { get; init; }

    /// <summary>Where to compute. Default <see cref="ComputeDevice.Cpu"/>.</summary>
    public ComputeDevice Device { get; init; } = ComputeDevice.Cpu;

    /// <summary>The number of the GPU, 0 or more. Default 0.</summary>
    public int DeviceId { get; init; }

    /// <summary>
    /// Whether ONNX Runtime may rearrange frozen weights into a second copy (its prepacking). False keeps them as mapped pages of the model's own file, one copy for all processes. The default, null, is false where a graph
    /// has no MatMulNBits, which is much slower without (of float32 weights a step takes 3 % longer, SmolLM2-135M).
    /// </summary>
    public bool? Prepack { get; init; }

    /// <summary>Whose operators a training graph for <see cref="Device"/> may use: those of this project are for the processor.</summary>
    public TrainingRuntime Runtime => Device == ComputeDevice.Cuda ? TrainingRuntime.OnnxRuntime : TrainingRuntime.AlignerKernels;

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Threads);
        ArgumentOutOfRangeException.ThrowIfNegative(DeviceId);
    }
}
