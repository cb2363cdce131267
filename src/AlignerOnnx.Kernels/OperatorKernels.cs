using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using AlignerOnnx.Graph.Text;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Kernels;

/// <summary>Registers the kernels of <see cref="AlignerOnnx.GraphRewrites.KernelOperators"/> with sessions of ONNX Runtime.</summary>
public static unsafe class OperatorKernels
{
    private const int CreateCustomOpDomain = 26;
    private const int CustomOpDomainAdd = 27;
    private const int AddCustomOpDomain = 28;
    private static readonly Lazy<nint> Domain = new(MakeKnownDomain);

    /// <summary>The kernels.</summary>
    internal static IReadOnlyList<OperatorKernel> All { get; } =
    [
        new MatMulInt4Kernel(),
        new CachedAttentionKernel(),
        new DequantiseKernel(),
        new QuantisedProductKernel(),
        new SwiGluGradientKernel(),
        new RootMeanSquareGradientKernel(),
        new SoftmaxGradientKernel(),
    ];

    /// <summary>
    /// Whether <see cref="AlignerOnnx.GraphRewrites.KernelOperators.MatMulInt4"/> and <see cref="AlignerOnnx.GraphRewrites.KernelOperators.CachedAttention"/> are faster here than ONNX Runtime's MatMulNBits and
    /// GroupQueryAttention: on processors with AVX2, where they were measured (docs/serving.md). Elsewhere they do not run.
    /// </summary>
    public static bool DecodeFaster => Avx2.IsSupported && Fma.IsSupported;

    /// <summary>Lets the sessions that are made with these options run the kernels.</summary>
    /// <param name="options">The options.</param>
    public static void Register(SessionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Add(Domain.Value, options);
    }

    private static void Add(nint domain, SessionOptions options)
    {
        bool held = false;
        try
        {
            options.DangerousAddRef(ref held);
            OrtKernelApi.Check(((delegate* unmanaged<nint, nint, nint>)OrtKernelApi.Entry(AddCustomOpDomain))(options.DangerousGetHandle(), domain));
        }
        finally
        {
            if (held)
            {
                options.DangerousRelease();
            }
        }
    }

    /// <summary>
    /// The domain, after one session has been made with it. ONNX Runtime looks whether it knows a domain and adds it in two steps, so that of the first two sessions made at the same time one fails
    /// ("the domain is already exist"); once it knows the domain, any number of them can be.
    /// </summary>
    private static nint MakeKnownDomain()
    {
        nint domain = MakeDomain();
        using SessionOptions options = new();
        Add(domain, options);
        byte[] model = OnnxText.Parse("""<ir_version: 8, opset_import: ["" : 17]> nothing (float[1] x) => (float[1] y) { y = Identity (x) }""").ToByteArray();
        using InferenceSession first = new(model, options);
        return domain;
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
