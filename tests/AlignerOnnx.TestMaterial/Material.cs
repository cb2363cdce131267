using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace AlignerOnnx.TestMaterial;

/// <summary>Finds the files that tests read: the repository's own models, and the shared folder beside the repository where there is one.</summary>
public static class Material
{
    /// <summary>The root of the repository.</summary>
    public static string Repository { get; } = FindRepository();

    /// <summary>The embedded model, int4 (the default) or fp32.</summary>
    public static string Pocket(string folder = "model-int4") => Path.Combine(Repository, "models", "pocket", folder);

    /// <summary>A file or folder of the embedded model's data.</summary>
    public static string PocketData(string file) => Path.Combine(Repository, "models", "pocket", "data", file);

    /// <summary>A path below the shared folder; the test is reported as skipped where that folder is absent.</summary>
    public static string Shared(params string[] parts)
    {
        string shared = Path.GetFullPath(Path.Combine(Repository, "..", "shared"));
        if (!Directory.Exists(shared))
        {
            Assert.Inconclusive("needs the shared test material beside the repository");
        }
        return Path.Combine([shared, .. parts]);
    }

    /// <summary>A native ONNX Runtime built with training; the test is reported as skipped where there is none for this machine.</summary>
    public static string OrtTrainingLibrary()
    {
        string library = Environment.GetEnvironmentVariable("ALIGNER_ORT_TRAINING_LIBRARY") ?? Shared("native", "ort-training-1.28.0-linux-x64", "libonnxruntime.so");
        if (!File.Exists(library) || !OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            Assert.Inconclusive("needs a native ONNX Runtime built with training for this machine");
        }
        return library;
    }

    /// <summary>Whether the shared folder is there; for data rows, which cannot skip themselves.</summary>
    public static bool HasShared => Directory.Exists(Path.GetFullPath(Path.Combine(Repository, "..", "shared")));

    /// <summary>A new empty folder that the caller deletes.</summary>
    public static string NewTemporaryFolder() => Directory.CreateTempSubdirectory("aligner-test-").FullName;

    private static string FindRepository([CallerFilePath] string thisFile = "")
    {
        string? folder = Path.GetDirectoryName(thisFile);
        while (folder is not null && !File.Exists(Path.Combine(folder, "AlignerOnnx.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        return folder ?? throw new DirectoryNotFoundException($"AlignerOnnx.sln is not above {thisFile}");
    }
}
