using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>
/// One arena of CPU memory for all gradient sessions of the process, which grows by what is asked for. ONNX Runtime's default is an arena for each session that
/// doubles with each extension.
/// </summary>
internal static class SharedArena
{
    private const int Unlimited = 0;
    private const int GrowAsRequested = 1;
    private const int Default = -1;
    private static readonly Lazy<bool> Registered = new(Register);

    /// <summary>Lets a session take its memory from the arena.</summary>
    public static void UseIn(SessionOptions session)
    {
        if (Registered.Value)
        {
            session.AddSessionConfigEntry("session.use_env_allocators", "1");
        }
    }

    private static bool Register()
    {
        using OrtMemoryInfo memory = new(OrtMemoryInfo.allocatorCPU, OrtAllocatorType.ArenaAllocator, 0, OrtMemType.Default);
        using OrtArenaCfg growth = new(Unlimited, GrowAsRequested, Default, Default);
        OrtEnv.Instance().CreateAndRegisterAllocator(memory, growth);
        return true;
    }
}
