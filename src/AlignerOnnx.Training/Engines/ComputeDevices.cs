using AlignerOnnx.Graph;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>Lets sessions of ONNX Runtime compute on a device.</summary>
internal static class ComputeDevices
{
    /// <summary>Adds the device's execution provider; nothing for the processor, which every session has.</summary>
    /// <param name="device">The device.</param>
    /// <param name="number">The number of the GPU, 0 or more.</param>
    /// <param name="session">The options of the session.</param>
    /// <exception cref="ModelRefusedException">This build of ONNX Runtime, or this machine, does not have it.</exception>
    public static void UseIn(this ComputeDevice device, int number, SessionOptions session)
    {
        if (device != ComputeDevice.Cuda)
        {
            return;
        }
        try
        {
            using OrtCUDAProviderOptions cuda = new();
            // TensorFloat-32 rounds the factors of float32 products to 10 bits: losses would differ from the processor's in the third digit.
            cuda.UpdateOptions(new Dictionary<string, string> { ["device_id"] = $"{number}", ["use_tf32"] = "0" });
            session.AppendExecutionProvider_CUDA(cuda);
        }
        catch (Exception error) when (error is OnnxRuntimeException or EntryPointNotFoundException or DllNotFoundException)
        {
            throw new ModelRefusedException("ONNX Runtime cannot compute on a GPU", $"CUDA device {number}", error.Message, "ONNX Runtime's GPU package, the CUDA libraries that it needs, and an NVIDIA GPU",
                "build with -p:UseGpuPackage=true (docs/gpu.md), put the CUDA libraries where the loader finds them, or compute on the processor: --device cpu", error);
        }
    }
}
