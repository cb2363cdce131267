using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.GenAI;

/// <summary>Memory outside the managed heap that tensors are views of.</summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    // What vector instructions and cache lines like.
    private const nuint Alignment = 64;

    private void* _memory;

    internal long Bytes { get; private set; }

    internal byte* Address => (byte*)_memory;

    /// <summary>Makes room for so many bytes; what was there is lost where it has to grow.</summary>
    /// <exception cref="OutOfMemoryException">There is not so much memory.</exception>
    internal void Require(long bytes)
    {
        if (bytes > Bytes)
        {
            Dispose();
            _memory = NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
            Bytes = bytes;
        }
    }

    /// <summary>The buffer as numbers.</summary>
    internal Span<T> Span<T>(int count) where T : unmanaged => new(_memory, count);

    /// <summary>A part of the buffer as a tensor; it must not outlive the buffer's size.</summary>
    internal OrtValue View(TensorElementType type, long[] shape, long firstByte, long bytes) =>
        OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, type, shape, (nint)(Address + firstByte), bytes);

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        Bytes = 0;
    }
}
