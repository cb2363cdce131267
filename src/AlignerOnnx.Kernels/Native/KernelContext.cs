namespace AlignerOnnx.Kernels;

/// <summary>The inputs and outputs of one run of a kernel.</summary>
/// <param name="context">The OrtKernelContext.</param>
internal readonly unsafe struct KernelContext(nint context)
{
    private const int GetTensorMutableData = 51;
    private const int KernelContextGetInput = 90;
    private const int KernelContextGetOutput = 91;
    private const int KernelContextParallelFor = 274;
    private const int GetTensorTypeAndShape = 65;
    private const int GetDimensionsCount = 61;
    private const int GetDimensions = 62;
    private const int ReleaseTensorTypeAndShapeInfo = 99;

    /// <summary>The data of an input; null where an optional one is missing.</summary>
    public T* Input<T>(int index)
        where T : unmanaged => DataOf<T>(ValueOf(index));

    /// <summary>The shape of an input.</summary>
    public long[] Shape(int index)
    {
        nint info;
        OrtKernelApi.Check(((delegate* unmanaged<nint, nint*, nint>)OrtKernelApi.Entry(GetTensorTypeAndShape))(ValueOf(index), &info));
        try
        {
            nuint rank;
            OrtKernelApi.Check(((delegate* unmanaged<nint, nuint*, nint>)OrtKernelApi.Entry(GetDimensionsCount))(info, &rank));
            long[] shape = new long[rank];
            fixed (long* first = shape)
            {
                OrtKernelApi.Check(((delegate* unmanaged<nint, long*, nuint, nint>)OrtKernelApi.Entry(GetDimensions))(info, first, rank));
            }
            return shape;
        }
        finally
        {
            ((delegate* unmanaged<nint, void>)OrtKernelApi.Entry(ReleaseTensorTypeAndShapeInfo))(info);
        }
    }

    /// <summary>The number of elements of an input.</summary>
    public long Count(int index)
    {
        long count = 1;
        foreach (long size in Shape(index))
        {
            count *= size;
        }
        return count;
    }

    /// <summary>Makes an output of a shape.</summary>
    public float* Output(int index, params ReadOnlySpan<long> shape)
    {
        nint value;
        fixed (long* first = shape)
        {
            OrtKernelApi.Check(((delegate* unmanaged<nint, nuint, long*, nuint, nint*, nint>)OrtKernelApi.Entry(KernelContextGetOutput))(context, (nuint)index, first, (nuint)shape.Length, &value));
        }
        return DataOf<float>(value);
    }

    /// <summary>Calls a function for 0 .. count - 1 on the threads of the session.</summary>
    public void ParallelFor(delegate* unmanaged<void*, nuint, void> work, long count, void* arguments) =>
        OrtKernelApi.Check(((delegate* unmanaged<nint, delegate* unmanaged<void*, nuint, void>, nuint, nuint, void*, nint>)OrtKernelApi.Entry(KernelContextParallelFor))(context, work, (nuint)count, 0, arguments));

    private nint ValueOf(int index)
    {
        nint value;
        OrtKernelApi.Check(((delegate* unmanaged<nint, nuint, nint*, nint>)OrtKernelApi.Entry(KernelContextGetInput))(context, (nuint)index, &value));
        return value;
    }

    private static T* DataOf<T>(nint value)
        where T : unmanaged
    {
        if (value == 0)
        {
            return null;
        }
        T* data;
        OrtKernelApi.Check(((delegate* unmanaged<nint, T**, nint>)OrtKernelApi.Entry(GetTensorMutableData))(value, &data));
        return data;
    }
}
