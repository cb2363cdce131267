using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>
/// The logits of a generator's next token. The native library offers them (ort_genai_c.h: OgaGenerator_GetLogits, OgaGenerator_SetLogits), its C# binding does not,
/// so its handle is borrowed.
/// </summary>
internal sealed unsafe partial class NativeLogits(Generator generator) : IDisposable
{
    private const string Library = "onnxruntime-genai";

    private nint _tensor;

    /// <summary>A copy of the logits, [vocabulary]; valid until the next call.</summary>
    internal Span<float> Fetch()
    {
        Dispose();
        Verify(GetLogits(Handle(generator), out _tensor));
        Verify(GetTensorData(_tensor, out nint data));
        return new Span<float>((void*)data, Vocabulary());
    }

    /// <summary>Puts the fetched copy, as it was changed, in the place of the model's.</summary>
    internal void Store() => Verify(SetLogits(Handle(generator), _tensor));

    public void Dispose()
    {
        if (_tensor != 0)
        {
            DestroyTensor(_tensor);
            _tensor = 0;
        }
    }

    /// <summary>The last dimension of the tensor, [1, vocabulary].</summary>
    private int Vocabulary()
    {
        Verify(GetShapeRank(_tensor, out nuint rank));
        long* shape = stackalloc long[(int)rank];
        Verify(GetShape(_tensor, shape, rank));
        return checked((int)shape[rank - 1]);
    }

    private static void Verify(nint result)
    {
        if (result != 0)
        {
            string message = Marshal.PtrToStringUTF8(GetError(result)) ?? "no reason given";
            DestroyResult(result);
            throw new InvalidOperationException($"ONNX Runtime GenAI gives no access to its logits: {message}");
        }
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_generatorHandle")]
    private static extern ref nint Handle(Generator generator);

    [LibraryImport(Library, EntryPoint = "OgaGenerator_GetLogits")]
    private static partial nint GetLogits(nint generator, out nint tensor);

    [LibraryImport(Library, EntryPoint = "OgaGenerator_SetLogits")]
    private static partial nint SetLogits(nint generator, nint tensor);

    [LibraryImport(Library, EntryPoint = "OgaTensorGetData")]
    private static partial nint GetTensorData(nint tensor, out nint data);

    [LibraryImport(Library, EntryPoint = "OgaTensorGetShapeRank")]
    private static partial nint GetShapeRank(nint tensor, out nuint rank);

    [LibraryImport(Library, EntryPoint = "OgaTensorGetShape")]
    private static partial nint GetShape(nint tensor, long* shape, nuint rank);

    [LibraryImport(Library, EntryPoint = "OgaDestroyTensor")]
    private static partial void DestroyTensor(nint tensor);

    [LibraryImport(Library, EntryPoint = "OgaResultGetError")]
    private static partial nint GetError(nint result);

    [LibraryImport(Library, EntryPoint = "OgaDestroyResult")]
    private static partial void DestroyResult(nint result);
}
