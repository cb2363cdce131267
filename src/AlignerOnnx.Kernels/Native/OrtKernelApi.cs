using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Kernels;

/// <summary>The C functions that operators of our own need, out of the library that <see cref="InferenceSession"/> runs in; the managed package has no API for them.</summary>
internal static unsafe class OrtKernelApi
{
    /// <summary>The version whose table is asked for: all entries below are older.</summary>
    public const uint Version = 18;

    private const int CreateStatus = 0;
    private const int FailCode = 1;
    private const int GetErrorMessage = 2;
    private const int ReleaseStatus = 93;
    private static readonly nint* Table = Load();

    /// <summary>An entry of OrtApi, counted as in onnxruntime_c_api.h, whose order never changes.</summary>
    public static nint Entry(int index) => Table[index];

    /// <summary>A status that tells ONNX Runtime what went wrong; it owns the status.</summary>
    public static nint Fail(string message)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(message + '\0'))
        {
            return ((delegate* unmanaged<int, byte*, nint>)Entry(CreateStatus))(FailCode, text);
        }
    }

    /// <summary>Throws where a call failed.</summary>
    public static void Check(nint status)
    {
        if (status != 0)
        {
            string message = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint, nint>)Entry(GetErrorMessage))(status)) ?? "";
            ((delegate* unmanaged<nint, void>)Entry(ReleaseStatus))(status);
            throw new InvalidOperationException($"ONNX Runtime: {message}");
        }
    }

    private static nint* Load()
    {
        nint library = NativeLibrary.Load("onnxruntime", typeof(InferenceSession).Assembly, null);
        nint* bases = (nint*)((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "OrtGetApiBase"))();
        return (nint*)((delegate* unmanaged<uint, nint>)bases[0])(Version);
    }
}
