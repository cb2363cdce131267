using System.Runtime.InteropServices;
using System.Text;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// A native ONNX Runtime that was built with training, bound by its tables of C functions: the managed classes of ONNX Runtime can only bind the one library that serves
/// inference. Entries are counted as in onnxruntime_c_api.h and onnxruntime_training_c_api.h, whose order never changes.
/// </summary>
internal sealed unsafe class OrtTrainingLibrary
{
    private const uint ApiVersion = 18;
    private readonly nint* _api;
    private readonly nint* _training;

    private OrtTrainingLibrary(nint* api, nint* training, string version)
    {
        _api = api;
        _training = training;
        Version = version;
    }

    /// <summary>The environment variable that names the library's file.</summary>
    public const string PathVariable = "ALIGNER_ORT_TRAINING_LIBRARY";

    /// <summary>The library's version, for example 1.28.0.</summary>
    public string Version { get; }

    /// <summary>Loads a library.</summary>
    /// <param name="path">Its file.</param>
    /// <exception cref="ModelRefusedException">The file is no ONNX Runtime, or one without training.</exception>
    public static OrtTrainingLibrary Load(string path)
    {
        if (!File.Exists(path) || !NativeLibrary.TryLoad(Path.GetFullPath(path), out nint library) || !NativeLibrary.TryGetExport(library, "OrtGetApiBase", out nint export))
        {
            throw Refused(path, "no library of ONNX Runtime");
        }
        nint* table = (nint*)((delegate* unmanaged<nint>)export)();
        string version = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)table[1])()) ?? "?";
        nint* api = (nint*)((delegate* unmanaged<uint, nint>)table[0])(ApiVersion);
        nint* training = api is null ? null : (nint*)((delegate* unmanaged<uint, nint>)api[OrtApiEntry.GetTrainingApi])(ApiVersion);
        return training is null ? throw Refused(path, $"ONNX Runtime {version} without training") : new OrtTrainingLibrary(api, training, version);
    }

    public nint Api(int entry) => _api[entry];

    public nint Training(int entry) => _training[entry];

    /// <summary>Throws where a call failed.</summary>
    public void Check(nint status, string what)
    {
        if (status != 0)
        {
            string message = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint, nint>)_api[OrtApiEntry.GetErrorMessage])(status)) ?? "";
            ((delegate* unmanaged<nint, void>)_api[OrtApiEntry.ReleaseStatus])(status);
            throw new ModelRefusedException($"ONNX Runtime Training cannot {what}", null, message, remedy: "make the artifacts again with `aligner train artifacts`");
        }
    }

    /// <summary>A path as the library takes it: UTF-8, on Windows UTF-16, ended by zero.</summary>
    public static byte[] Text(string path) => [.. (OperatingSystem.IsWindows() ? Encoding.Unicode : Encoding.UTF8).GetBytes(path), 0, 0];

    private static ModelRefusedException Refused(string path, string found) => new(
        "ONNX Runtime Training cannot be used", path, found, "a native ONNX Runtime of 1.18 or later that was built with training",
        $"name its file with --ort-training-library or {PathVariable}");
}

/// <summary>Places in the table of OrtApi.</summary>
internal static class OrtApiEntry
{
    public const int GetErrorMessage = 2;
    public const int CreateEnv = 3;
    public const int CreateSessionOptions = 10;
    public const int SetSessionLogSeverityLevel = 22;
    public const int SetIntraOpNumThreads = 24;
    public const int CreateTensorWithData = 49;
    public const int GetTensorMutableData = 51;
    public const int CreateCpuMemoryInfo = 69;
    public const int ReleaseEnv = 92;
    public const int ReleaseStatus = 93;
    public const int ReleaseMemoryInfo = 94;
    public const int ReleaseValue = 96;
    public const int ReleaseSessionOptions = 100;
    public const int GetTrainingApi = 219;
}

/// <summary>Places in the table of OrtTrainingApi.</summary>
internal static class OrtTrainingEntry
{
    public const int LoadCheckpoint = 0;
    public const int SaveCheckpoint = 1;
    public const int CreateTrainingSession = 2;
    public const int TrainingOutputCount = 4;
    public const int LazyResetGrad = 8;
    public const int TrainStep = 9;
    public const int EvalStep = 10;
    public const int OptimizerStep = 13;
    public const int GetParametersSize = 16;
    public const int CopyParametersToBuffer = 17;
    public const int ReleaseTrainingSession = 19;
    public const int ReleaseCheckpointState = 20;
}
