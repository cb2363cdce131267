using System.Diagnostics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels.Tests;

/// <summary>The tests of MatMulInt4 again, in a process that does without instructions that this processor has.</summary>
[TestClass]
public sealed class OtherProcessorsTests
{
    private const string Avx512 = "DOTNET_EnableAVX512";
    private const string Vnni = "DOTNET_EnableAVXVNNI";

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow("AVX-VNNI without AVX-512", Avx512)]
    [DataRow("AVX2 alone", Avx512, Vnni)]
    public async Task MatMulInt4_WithoutInstructions_PassesItsTests(string processor, params string[] switches)
    {
        if (!Avx2.IsSupported)
        {
            Assert.Inconclusive("the kernel needs AVX2");
        }
        ProcessStartInfo start = new(Environment.ProcessPath!, ["exec", typeof(OtherProcessorsTests).Assembly.Location, "--filter", $"FullyQualifiedName~{nameof(MatMulInt4Tests)}|FullyQualifiedName~{nameof(Switches_ThatAreOff_HideTheirInstructions)}", "--progress", "off", "--no-banner"])
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
    }

    /// <summary>For the processes of the test above.</summary>
    [TestMethod]
    public void Switches_ThatAreOff_HideTheirInstructions()
    {
        foreach ((string name, bool isSupported) in new[] { (Avx512, Avx512BW.IsSupported), (Vnni, AvxVnni.IsSupported) })
        {
            Assert.IsFalse(isSupported && Environment.GetEnvironmentVariable(name) == "0", name);
        }
    }
}
