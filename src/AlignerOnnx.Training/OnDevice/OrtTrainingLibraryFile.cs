using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>Finds the native library of ONNX Runtime Training.</summary>
public static class OrtTrainingLibraryFile
{
    /// <summary>The environment variable that names the library's file.</summary>
    public const string PathVariable = "ALIGNER_ORT_TRAINING_LIBRARY";

    internal const string Expected = "a native ONNX Runtime of 1.18 or later, built with training, for this system and processor";

    internal const string Remedy = $"name its file with --ort-training-library or {PathVariable}, or build with -p:UseOrtTrainingPackage=true where the NuGet feed has Microsoft.ML.OnnxRuntime.Training";

    /// <summary>The library that a build with the package Microsoft.ML.OnnxRuntime.Training puts beside the program, in a folder of its own: its name is that of the library for inference.</summary>
    private static string FromPackage => Path.Combine(AppContext.BaseDirectory, "ort-training", OperatingSystem.IsWindows() ? "onnxruntime.dll" : OperatingSystem.IsMacOS() ? "libonnxruntime.dylib" : "libonnxruntime.so");

    /// <summary>The library's file: the named one, else the environment variable's, else the package's.</summary>
    /// <param name="named">What the user named; null for nothing.</param>
    /// <exception cref="ModelRefusedException">None is named and none is there.</exception>
    public static string Find(string? named = null)
    {
        string? chosen = named ?? Environment.GetEnvironmentVariable(PathVariable);
        return !string.IsNullOrEmpty(chosen) ? Path.GetFullPath(chosen)
            : File.Exists(FromPackage) ? FromPackage
            : throw new ModelRefusedException("ONNX Runtime Training is missing", null, "no library is named, and this build has none beside it", Expected, Remedy);
    }
}
