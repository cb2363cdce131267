using System.Runtime.InteropServices;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

[TestClass]
public sealed class TelemetryTests
{
    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void Load_OnUnix_NativeCodeSeesTelemetrySwitchedOff()
    {
        using ChatModel model = new(Material.Pocket());
        Assert.AreEqual("1", Marshal.PtrToStringUTF8(GetEnvironment("ORT_DISABLE_TELEMETRY")));
    }

    [DllImport("libc", EntryPoint = "getenv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint GetEnvironment([MarshalAs(UnmanagedType.LPUTF8Str)] string name);
}
