using System.Runtime.InteropServices;
using System.Text;

namespace AlignerOnnx.Kernels;

/// <summary>OrtCustomOp of onnxruntime_c_api.h, field by field, and behind it which kernel it stands for.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeOperator
{
    // The field is 32 bits wide; padding up to the first pointer follows it.
    private nint _version;
    private delegate* unmanaged<NativeOperator*, nint, nint, nint> _createKernel;
    private delegate* unmanaged<NativeOperator*, nint> _getName;
    private delegate* unmanaged<NativeOperator*, nint> _getExecutionProviderType;
    private delegate* unmanaged<NativeOperator*, nuint, int> _getInputType;
    private delegate* unmanaged<NativeOperator*, nuint> _getInputTypeCount;
    private delegate* unmanaged<NativeOperator*, nuint, int> _getOutputType;
    private delegate* unmanaged<NativeOperator*, nuint> _getOutputTypeCount;
    private delegate* unmanaged<NativeKernel*, nint, void> _kernelCompute;
    private delegate* unmanaged<NativeKernel*, void> _kernelDestroy;
    private delegate* unmanaged<NativeOperator*, nuint, int> _getInputCharacteristic;
    private delegate* unmanaged<NativeOperator*, nuint, int> _getOutputCharacteristic;
    private delegate* unmanaged<NativeOperator*, nuint, int> _getInputMemoryType;
    private nint _getVariadicInputMinArity;
    private nint _getVariadicInputHomogeneity;
    private nint _getVariadicOutputMinArity;
    private nint _getVariadicOutputHomogeneity;
    private delegate* unmanaged<NativeOperator*, nint, nint, NativeKernel**, nint> _createKernelV2;
    private delegate* unmanaged<NativeKernel*, nint, nint> _kernelComputeV2;
    private nint _inferOutputShape;
    private nint _getStartVersion;
    private nint _getEndVersion;
    private nint _getMayInplace;
    private nint _releaseMayInplace;
    private nint _getAliasMap;
    private nint _releaseAliasMap;
    private int _index;
    private nint _name;

    /// <summary>Makes the operator of a kernel; its memory is never freed.</summary>
    /// <param name="index">The kernel's place in <see cref="OperatorKernels.All"/>.</param>
    public static NativeOperator* Make(int index)
    {
        NativeOperator* made = (NativeOperator*)NativeMemory.AllocZeroed((nuint)sizeof(NativeOperator));
        made->_version = (nint)OrtKernelApi.Version;
        made->_getName = &GetName;
        made->_getExecutionProviderType = &GetExecutionProviderType;
        made->_getInputType = &GetInputType;
        made->_getInputTypeCount = &GetInputTypeCount;
        made->_getOutputType = &GetOutputType;
        made->_getOutputTypeCount = &GetOutputTypeCount;
        made->_kernelDestroy = &Destroy;
        made->_getInputCharacteristic = &GetInputCharacteristic;
        made->_getOutputCharacteristic = &GetOutputCharacteristic;
        made->_getInputMemoryType = &GetInputMemoryType;
        made->_createKernelV2 = &Create;
        made->_kernelComputeV2 = &Compute;
        made->_index = index;
        made->_name = Marshal.StringToCoTaskMemUTF8(OperatorKernels.All[index].Name);
        return made;
    }

    private OperatorKernel Kernel => OperatorKernels.All[_index];

    [UnmanagedCallersOnly]
    private static nint GetName(NativeOperator* op) => op->_name;

    /// <summary>Null stands for the processor.</summary>
    [UnmanagedCallersOnly]
    private static nint GetExecutionProviderType(NativeOperator* op) => 0;

    /// <summary>0 stands for any type: the rules that emit an operator know its types.</summary>
    [UnmanagedCallersOnly]
    private static int GetInputType(NativeOperator* op, nuint index) => 0;

    [UnmanagedCallersOnly]
    private static nuint GetInputTypeCount(NativeOperator* op) => (nuint)op->Kernel.InputCount;

    /// <summary>1 stands for float32.</summary>
    [UnmanagedCallersOnly]
    private static int GetOutputType(NativeOperator* op, nuint index) => 1;

    [UnmanagedCallersOnly]
    private static nuint GetOutputTypeCount(NativeOperator* op) => (nuint)op->Kernel.OutputCount;

    /// <summary>0 stands for required, 1 for optional.</summary>
    [UnmanagedCallersOnly]
    private static int GetInputCharacteristic(NativeOperator* op, nuint index) => (int)index < op->Kernel.RequiredInputs ? 0 : 1;

    [UnmanagedCallersOnly]
    private static int GetOutputCharacteristic(NativeOperator* op, nuint index) => 0;

    [UnmanagedCallersOnly]
    private static int GetInputMemoryType(NativeOperator* op, nuint index) => 0;

    [UnmanagedCallersOnly]
    private static nint Create(NativeOperator* op, nint api, nint info, NativeKernel** kernel)
    {
        try
        {
            *kernel = NativeKernel.Make(op->_index, info);
            return 0;
        }
        catch (Exception error)
        {
            return OrtKernelApi.Fail(error.Message);
        }
    }

    /// <summary>No exception may leave managed code for native frames: ONNX Runtime gets a status, and throws at the caller of the session.</summary>
    [UnmanagedCallersOnly]
    private static nint Compute(NativeKernel* kernel, nint context)
    {
        try
        {
            kernel->Compute(new KernelContext(context));
            return 0;
        }
        catch (Exception error)
        {
            return OrtKernelApi.Fail(error.Message);
        }
    }

    [UnmanagedCallersOnly]
    private static void Destroy(NativeKernel* kernel) => NativeMemory.Free(kernel);
}

/// <summary>A node of a session: its kernel and its attributes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeKernel
{
    private const int KernelInfoGetAttributeInt64 = 86;
    private int _index;
    private fixed long _attributes[OperatorKernel.MaximumAttributes];

    public static NativeKernel* Make(int index, nint info)
    {
        IReadOnlyList<string> names = OperatorKernels.All[index].Attributes;
        long* values = stackalloc long[OperatorKernel.MaximumAttributes];
        for (int i = 0; i < names.Count; i++)
        {
            fixed (byte* name = Encoding.UTF8.GetBytes(names[i] + '\0'))
            {
                OrtKernelApi.Check(((delegate* unmanaged<nint, byte*, long*, nint>)OrtKernelApi.Entry(KernelInfoGetAttributeInt64))(info, name, values + i));
            }
        }
        NativeKernel* made = (NativeKernel*)NativeMemory.AllocZeroed((nuint)sizeof(NativeKernel));
        made->_index = index;
        new ReadOnlySpan<long>(values, OperatorKernel.MaximumAttributes).CopyTo(new Span<long>(made->_attributes, OperatorKernel.MaximumAttributes));
        return made;
    }

    public void Compute(KernelContext context)
    {
        fixed (long* attributes = _attributes)
        {
            OperatorKernels.All[_index].Compute(context, new ReadOnlySpan<long>(attributes, OperatorKernel.MaximumAttributes));
        }
    }
}
