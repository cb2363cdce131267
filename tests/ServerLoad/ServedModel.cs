using System.Diagnostics;
using System.Globalization;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.ServerLoad;

/// <summary>The built tool, serving a model with its state in a folder; it can be killed and started again at the same address.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    private readonly string _model;
    private readonly string _state;
    private readonly string[] _more;
    private Process _process;

    private ServedModel(string model, string state, string[] more, Process process, Uri address)
    {
        _model = model;
        _state = state;
        _more = more;
        _process = process;
        Address = address;
    }

    internal Uri Address { get; }

    internal static async Task<ServedModel> StartAsync(string model, string state, params string[] more)
    {
        (Process process, Uri address) = await AlignerProcess.ServeAsync(Arguments(model, state, "http://127.0.0.1:0", more));
        Drain(process);
        return new ServedModel(model, state, more, process, address);
    }

    /// <summary>Kills the server without a warning and starts it again.</summary>
    internal async Task KillAndRestartAsync()
    {
        await AlignerProcess.KillAsync(_process);
        (_process, _) = await AlignerProcess.ServeAsync(Arguments(_model, _state, Address.GetLeftPart(UriPartial.Authority), _more));
        Drain(_process);
    }

    /// <summary>Resident memory that is the process's own, in MB; mapped weights are not counted.</summary>
    internal double ReadMemory()
    {
        string line = File.ReadLines($"/proc/{_process.Id}/status").First(each => each.StartsWith("RssAnon:", StringComparison.Ordinal));
        return double.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }

    public async ValueTask DisposeAsync() => await AlignerProcess.StopAsync(_process);

    private static string[] Arguments(string model, string state, string url, string[] more) =>
        ["serve", model, "--state", state, "--urls", url, "--name", "base", "--queue", "4096", "--concurrency", "16", .. more];

    /// <summary>A pipe that nobody reads would stop the server once it is full.</summary>
    private static void Drain(Process process) => _ = process.StandardOutput.ReadToEndAsync();
}
