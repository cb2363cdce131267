using System.Runtime.InteropServices;
using System.Text;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// A native ONNX Runtime that was built with training, bound by its tables of C functions. The managed classes (TrainingSession, CheckpointState) cannot do it: those of
/// 1.31.1 ask the one library named onnxruntime for API version 31, which no training build has. Entries are counted as in onnxruntime_c_api.h and
/// onnxruntime_training_c_api.h, whose order never changes.
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

    /// <summary>The library's version, for example 1.28.0.</summary>
    public string Version { get; }

    /// <summary>Loads a library.</summary>
    /// <param name="path">Its file.</param>
    /// <exception cref="ModelRefusedException">The file is missing, of another system or processor, no ONNX Runtime, too old, or without training.</exception>
    public static OrtTrainingLibrary Load(string path)
    {
        NativeImage.RequireLoadable(path, reason => Refused(path, reason));
        nint library = Open(path);
        if (!NativeLibrary.TryGetExport(library, "OrtGetApiBase", out nint export))
        {
            throw Refused(path, "a library that is no ONNX Runtime: it has no OrtGetApiBase");
        }
        nint* table = (nint*)((delegate* unmanaged<nint>)export)();
        string version = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)table[1])()) ?? "?";
        nint* api = (nint*)((delegate* unmanaged<uint, nint>)table[0])(ApiVersion);
        if (api is null)
        {
            throw Refused(path, $"ONNX Runtime {version}, which is too old");
        }
        nint* training = (nint*)((delegate* unmanaged<uint, nint>)api[OrtApiEntry.GetTrainingApi])(ApiVersion);
        return training is null ? throw Refused(path, $"ONNX Runtime {version}, built without training") : new OrtTrainingLibrary(api, training, version);
    }

    private static nint Open(string path)
    {
        try
        {
            return NativeLibrary.Load(Path.GetFullPath(path));
        }
        catch (Exception failure) when (failure is DllNotFoundException or BadImageFormatException)
        {
            throw Refused(path, failure.Message.ReplaceLineEndings(" "), failure);
        }
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

    /// <summary>A text that ends with zero.</summary>
    public static byte[] Utf8(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    /// <summary>A path as the library takes it: UTF-8, on Windows UTF-16, ended by zero.</summary>
    public static byte[] PathText(string path) => [.. (OperatingSystem.IsWindows() ? Encoding.Unicode : Encoding.UTF8).GetBytes(path), 0, 0];

    private static ModelRefusedException Refused(string path, string found, Exception? inner = null) => new(
        "ONNX Runtime Training cannot be used", path, found, OrtTrainingLibraryFile.Expected, OrtTrainingLibraryFile.Remedy, inner);
}

/// <summary>Places in the table of OrtApi.</summary>
internal static class OrtApiEntry
{
    public const int GetErrorMessage = 2;
    public const int CreateEnv = 3;
    public const int CreateSessionOptions = 10;
    public const int SetSessionLogSeverityLevel = 22;
    public const int SetIntraOpNumThreads = 24;
    public const int DisableMemPattern = 17;
    public const int CreateTensorWithData = 49;
    public const int GetTensorMutableData = 51;
    public const int GetTensorElementType = 60;
    public const int GetTensorShapeElementCount = 64;
    public const int GetTensorTypeAndShape = 65;
    public const int CreateCpuMemoryInfo = 69;
    public const int ReleaseEnv = 92;
    public const int ReleaseStatus = 93;
    public const int ReleaseMemoryInfo = 94;
    public const int ReleaseValue = 96;
    public const int ReleaseTensorTypeAndShape = 99;
    public const int ReleaseSessionOptions = 100;
    public const int AddSessionConfigEntry = 130;
    public const int GetTrainingApi = 219;
}

/// <summary>Places in the table of OrtTrainingApi.</summary>
internal static class OrtTrainingEntry
{
    public const int LoadCheckpoint = 0;
    public const int SaveCheckpoint = 1;
    public const int CreateTrainingSession = 2;
    public const int CreateTrainingSessionFromBuffer = 3;
    public const int TrainingOutputCount = 4;
    public const int EvaluationOutputCount = 5;
    public const int LazyResetGrad = 8;
    public const int TrainStep = 9;
    public const int EvalStep = 10;
    public const int OptimizerStep = 13;
    public const int GetParametersSize = 16;
    public const int CopyParametersToBuffer = 17;
    public const int CopyBufferToParameters = 18;
    public const int ReleaseTrainingSession = 19;
    public const int ReleaseCheckpointState = 20;
    public const int ExportModelForInferencing = 21;
    public const int LoadCheckpointFromBuffer = 29;
}
