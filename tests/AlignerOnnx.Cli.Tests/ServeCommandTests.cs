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
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("serve", Material.Pocket(), "--urls", url)).Expect(ExitCodes.Failure);
        Assert.Contains(remedy, run.Errors);
        Assert.DoesNotContain("ALIGNER_DEBUG", run.Errors);
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
