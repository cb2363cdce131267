using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class ServeCommandTests
{
    [TestMethod]
    [DataRow("foo", "http://HOST:PORT")]
    [DataRow("http://0.0.0.0:0", "--api-key")]
    public async Task Serve_AddressThatWillNotDo_SaysWhatWould(string url, string remedy)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("serve", "m", "--urls", url)).Expect(ExitCodes.Usage);
        Assert.Contains("--urls: ", run.Errors);
        Assert.Contains(url, run.Errors);
        Assert.Contains(remedy, run.Errors);
    }

    [TestMethod]
    public async Task Serve_BatchesOfGenerators_IsRefused()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("serve", "m", "--engine", "generators", "--batches", "2")).Expect(ExitCodes.Usage);
        Assert.Contains("--batches is for --engine batch, not for --engine generators.", run.Errors);
    }

    [TestMethod]
    [DataRow("serve m --api-key")]
    [DataRow("adapter pull a -o o --api-key")]
    [DataRow("adapter versions a --api-key")]
    [DataRow("adapter rollback a --api-key")]
    [DataRow("adapter push a --api-key")]
    public async Task Key_Blank_IsNamedWithWhatWouldDo(string line)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync([.. line.Split(' '), " "])).Expect(ExitCodes.Usage);
        Assert.Contains("--api-key is blank; it must be a key, or be left out.", run.Errors);
    }

    [TestMethod]
    public async Task Key_BlankInTheEnvironment_IsNamedWithWhatWouldDo()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(["serve", "m"], null, (ServerOptions.KeyVariable, ""))).Expect(ExitCodes.Usage);
        Assert.Contains($"{ServerOptions.KeyVariable} is blank; it must be a key, or be left out.", run.Errors);
    }

    [TestMethod]
    public async Task Serve_StoppedWithoutAStateFolder_LeavesNothingBehind()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Inconclusive("Windows has no signal that one process sends another");
        }
        string temporary = Material.NewTemporaryFolder();
        (Process server, _) = await AlignerProcess.ServeAsync(["serve", Material.Pocket(), "--urls", "http://127.0.0.1:0"], workingFolder: null, ("TMPDIR", temporary));
        Assert.IsNotEmpty(Directory.GetDirectories(temporary, "aligner-state-*"));
        await AlignerProcess.StopAsync(server);
        Assert.IsEmpty(Directory.GetFileSystemEntries(temporary));
        Directory.Delete(temporary);
    }

    /// <summary>The everyday failure of a server: one line and what to do, not the frames of whoever met it.</summary>
    [TestMethod]
    public async Task Serve_PortInUse_SaysSoInOneMessage()
    {
        string adapters = Material.NewTemporaryFolder();
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        string url = $"http://127.0.0.1:{((IPEndPoint)taken.LocalEndpoint).Port}";
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("serve", Material.Pocket(), "--adapters", adapters, "--urls", url)).Expect(ExitCodes.Failure);
        Directory.Delete(adapters);
        Assert.Contains($"{url}: address already in use", run.Errors);
        Assert.Contains("--urls", run.Errors);
        Assert.DoesNotContain("   at ", run.Errors);
        Assert.DoesNotContain("BackgroundService", run.Errors);
    }
}
