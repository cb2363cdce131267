namespace AlignerOnnx.Training;

/// <summary>Where ONNX Runtime computes.</summary>
public enum ComputeDevice
{
    /// <summary>The processor.</summary>
    Cpu,

    /// <summary>An NVIDIA GPU; needs ONNX Runtime's GPU package (Microsoft.ML.OnnxRuntime.Gpu) and the CUDA libraries that it names.</summary>
    Cuda,
}
