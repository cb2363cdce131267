using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>Registers the kernels of <see cref="AlignerOnnx.GraphRewrites.Gradients.KernelOperators"/> with sessions of ONNX Runtime.</summary>
internal static unsafe class GradientKernels
{
    private const int CreateCustomOpDomain = 26;
    private const int CustomOpDomainAdd = 27;
    private const int AddCustomOpDomain = 28;
    private static readonly Lazy<nint> Domain = new(MakeDomain);

    /// <summary>The kernels.</summary>
    public static IReadOnlyList<GradientKernel> All { get; } = [new DequantiseKernel(), new QuantisedProductKernel(), new SwiGluGradientKernel(), new RootMeanSquareGradientKernel(), new SoftmaxGradientKernel()];

    /// <summary>Lets the sessions that are made with these options run the kernels.</summary>
    public static void Register(SessionOptions options)
    {
        bool held = false;
        try
        {
            options.DangerousAddRef(ref held);
            OrtKernelApi.Check(((delegate* unmanaged<nint, nint, nint>)OrtKernelApi.Entry(AddCustomOpDomain))(options.DangerousGetHandle(), Domain.Value));
        }
        finally
        {
            if (held)
            {
                options.DangerousRelease();
            }
        }
    }

    /// <summary>Sessions read the domain and its operators for as long as they live: both stay until the process ends.</summary>
    private static nint MakeDomain()
    {
        nint domain;
        nint name = Marshal.StringToCoTaskMemUTF8(AlignerOnnx.GraphRewrites.Gradients.KernelOperators.Domain);
        OrtKernelApi.Check(((delegate* unmanaged<nint, nint*, nint>)OrtKernelApi.Entry(CreateCustomOpDomain))(name, &domain));
        for (int index = 0; index < All.Count; index++)
        {
            OrtKernelApi.Check(((delegate* unmanaged<nint, NativeOperator*, nint>)OrtKernelApi.Entry(CustomOpDomainAdd))(domain, NativeOperator.Make(index)));
        }
        return domain;
    }
}
