using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.GenAI;

/// <summary>Prepares the process for ONNX Runtime GenAI; must run before the first GenAI call, and does its work once.</summary>
internal static partial class GenAIRuntime
{
    private const string LibraryName = "onnxruntime-genai";

    private static readonly Version OldestOnnxRuntime = new(1, 18);
    private static readonly Lazy<bool> Ready = new(Prepare);

    /// <exception cref="DllNotFoundException">A native library is missing or too old; without this check GenAI would end the process.</exception>
    internal static void EnsureReady() => _ = Ready.Value;

    private static bool Prepare()
    {
        SwitchTelemetryOff();
        LoadOnnxRuntime();
        NativeLibrary.SetDllImportResolver(typeof(Microsoft.ML.OnnxRuntimeGenAI.Model).Assembly, FindGenAI);
        NativeLibrary.SetDllImportResolver(typeof(GenAIRuntime).Assembly, FindGenAI);
        RequireGenAI();
        return true;
    }

    /// <summary>The native library sends telemetry unless its environment forbids it.</summary>
    private static void SwitchTelemetryOff()
    {
        const string name = "ORT_DISABLE_TELEMETRY";
        Environment.SetEnvironmentVariable(name, "1");
        if (!OperatingSystem.IsWindows())
        {
            // On Unix, .NET keeps its own copy of the environment, which native getenv does not see.
            _ = SetNativeEnvironment(name, "1", overwrite: 1);
        }
    }

    /// <summary>GenAI looks for ONNX Runtime beside itself only, and crashes where there is none; one that is already loaded it takes.</summary>
    private static void LoadOnnxRuntime()
    {
        // Error, since every slot of a patched model would print a warning that it is not treated as a constant.
        try
        {
            if (OrtEnv.IsCreated)
            {
                OrtEnv.Instance().EnvLogLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
            }
            else
            {
                EnvironmentCreationOptions options = new() { logId = "aligner", logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
                OrtEnv.CreateInstanceWithOptions(ref options);
            }
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or EntryPointNotFoundException)
        {
            throw new DllNotFoundException(
                $"The native library of ONNX Runtime cannot be loaded.\n  where: {AppContext.BaseDirectory}\n  found: {(e.InnerException ?? e).Message}\n  expected: onnxruntime for {PortableRuntimeIdentifier()}\n  what to do: install this program again; build it on or for this system", e);
        }
        RequireNewEnough();
    }

    /// <summary>GenAI asks for the C API of this release or a later one, and calls through a null pointer where it does not get it.</summary>
    private static void RequireNewEnough()
    {
        string found = OrtEnv.Instance().GetVersionString();
        if (!Version.TryParse(found.Split('-')[0], out Version? version) || version < OldestOnnxRuntime)
        {
            throw new DllNotFoundException(
                $"The native library of ONNX Runtime is too old.\n  found: {found}\n  expected: {OldestOnnxRuntime} or later\n  what to do: remove the older library from the search path, or install this program again");
        }
    }

    private static void RequireGenAI()
    {
        Assembly binding = typeof(Microsoft.ML.OnnxRuntimeGenAI.Model).Assembly;
        nint library = FindGenAI(LibraryName, binding, null);
        if (library == 0 && !NativeLibrary.TryLoad(LibraryName, binding, null, out _))
        {
            throw new DllNotFoundException(
                $"The native library of ONNX Runtime GenAI cannot be loaded.\n  where: {AppContext.BaseDirectory}\n  expected: {LibraryName} for {PortableRuntimeIdentifier()}\n  what to do: install this program again; build it on or for this system");
        }
    }

    /// <summary>Finds the library in runtimes/RID/native below the application; where it is not, the default search goes on.</summary>
    private static nint FindGenAI(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        string file = OperatingSystem.IsWindows() ? $"{name}.dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";
        string path = Path.Combine(AppContext.BaseDirectory, "runtimes", PortableRuntimeIdentifier(), "native", file);
        return NativeLibrary.TryLoad(path, out nint library) ? library : 0;
    }

    private static string PortableRuntimeIdentifier()
    {
        string system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNativeEnvironment(string name, string value, int overwrite);
}
