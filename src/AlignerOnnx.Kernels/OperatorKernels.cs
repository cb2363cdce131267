using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Kernels;

/// <summary>Registers the kernels of <see cref="AlignerOnnx.GraphRewrites.KernelOperators"/> with sessions of ONNX Runtime.</summary>
public static unsafe class OperatorKernels
{
    private const int CreateCustomOpDomain = 26;
    private const int CustomOpDomainAdd = 27;
    private const int AddCustomOpDomain = 28;
    private static readonly Lazy<nint> Domain = new(MakeDomain);

    /// <summary>The kernels.</summary>
    internal static IReadOnlyList<OperatorKernel> All { get; } =
    [
        new MatMulInt4Kernel(),
        new DequantiseKernel(),
        new QuantisedProductKernel(),
        new SwiGluGradientKernel(),
        new RootMeanSquareGradientKernel(),
        new SoftmaxGradientKernel(),
    ];

    /// <summary>
    /// Whether <see cref="AlignerOnnx.GraphRewrites.KernelOperators.MatMulInt4"/> is faster here than ONNX Runtime's MatMulNBits: on processors with AVX2, where neither has instructions for products of bytes
    /// (VNNI) or registers of 512 bits. Elsewhere it does not run.
    /// </summary>
    public static bool MultiplyInt4Faster => Avx2.IsSupported && !AvxVnni.IsSupported && !Avx512F.IsSupported;

    /// <summary>Lets the sessions that are made with these options run the kernels.</summary>
    /// <param name="options">The options.</param>
    public static void Register(SessionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
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
        nint name = Marshal.StringToCoTaskMemUTF8(AlignerOnnx.GraphRewrites.KernelOperators.Domain);
        OrtKernelApi.Check(((delegate* unmanaged<nint, nint*, nint>)OrtKernelApi.Entry(CreateCustomOpDomain))(name, &domain));
        for (int index = 0; index < All.Count; index++)
        {
            OrtKernelApi.Check(((delegate* unmanaged<nint, NativeOperator*, nint>)OrtKernelApi.Entry(CustomOpDomainAdd))(domain, NativeOperator.Make(index)));
        }
        return domain;
    }
}
