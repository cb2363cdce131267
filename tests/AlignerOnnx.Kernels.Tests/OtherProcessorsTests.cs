using System.Diagnostics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels.Tests;

/// <summary>The tests of MatMulInt4 again, in a process that does without instructions that this processor has.</summary>
[TestClass]
public sealed class OtherProcessorsTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow("AVX-VNNI without AVX-512", "DOTNET_EnableAVX512")]
    [DataRow("AVX2 alone", "DOTNET_EnableAVX512", "DOTNET_EnableAVXVNNI")]
    public async Task MatMulInt4_WithoutInstructions_PassesItsTests(string processor, params string[] switches)
    {
        if (!Avx2.IsSupported)
        {
            Assert.Inconclusive("the kernel needs AVX2");
        }
        ProcessStartInfo start = new(Environment.ProcessPath!, ["exec", typeof(OtherProcessorsTests).Assembly.Location, "--filter", nameof(MatMulInt4Tests), "--progress", "off", "--no-banner"])
        {
            RedirectStandardOutput = true,
        };
        foreach (string name in switches)
        {
            start.Environment[name] = "0";
        }
        using Process process = Process.Start(start)!;
        string printed = await process.StandardOutput.ReadToEndAsync(TestContext.CancellationToken);
        await process.WaitForExitAsync(TestContext.CancellationToken);
        Assert.AreEqual(0, process.ExitCode, $"{processor}: {printed}");
        Assert.Contains("succeeded: ", printed);
    }
}
