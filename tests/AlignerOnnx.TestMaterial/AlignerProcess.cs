using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace AlignerOnnx.TestMaterial;

/// <summary>Runs the built tool as its own process, as a user or a script would.</summary>
public static class AlignerProcess
{
    /// <summary>What one run left behind.</summary>
    public sealed record Run(int ExitCode, string Output, string Errors)
    {
        /// <summary>The one JSON document on stdout; fails where stdout holds anything else.</summary>
        public JsonElement Document => JsonDocument.Parse(Output).RootElement;

        /// <summary>Fails with everything the run said, where it ended in another way.</summary>
        public Run Expect(int exitCode)
        {
            Assert.AreEqual(exitCode, ExitCode, $"stdout:\n{Output}\nstderr:\n{Errors}");
            return this;
        }
    }

    public static Task<Run> RunAsync(params string[] arguments) => RunAsync(arguments, workingFolder: null);

    public static async Task<Run> RunAsync(IEnumerable<string> arguments, string? workingFolder, params IReadOnlyList<(string Name, string Value)> environment)
    {
        using Process process = Start(arguments, workingFolder, environment);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new Run(process.ExitCode, await output, await errors);
    }

    /// <summary>Runs the tool with lines on its standard input.</summary>
    public static async Task<Run> RunWithInputAsync(IEnumerable<string> lines, params IEnumerable<string> arguments)
    {
        using Process process = Start(arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        foreach (string line in lines)
        {
            await process.StandardInput.WriteLineAsync(line);
        }
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return new Run(process.ExitCode, await output, await errors);
    }

    public static Process Start(IEnumerable<string> arguments, string? workingFolder = null, params IReadOnlyList<(string Name, string Value)> environment)
    {
        ProcessStartInfo start = new("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = workingFolder ?? Directory.GetCurrentDirectory(),
        };
        // The tool stands beside the tests: their project references its project.
        foreach (string argument in (IEnumerable<string>)["exec", Path.Combine(AppContext.BaseDirectory, "aligner.dll"), .. arguments])
        {
            start.ArgumentList.Add(argument);
        }
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }
        return Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start");
    }

    /// <summary>Starts <c>aligner serve</c> and gives its address once it listens.</summary>
    public static async Task<(Process Server, Uri Address)> ServeAsync(
        IEnumerable<string> arguments, string? workingFolder = null, params IReadOnlyList<(string Name, string Value)> environment)
    {
        Process server = Start(arguments, workingFolder, environment);
        StringBuilder errors = new();
        server.ErrorDataReceived += (_, line) => errors.AppendLine(line.Data);
        server.BeginErrorReadLine();
        string? line = await server.StandardOutput.ReadLineAsync();
        Assert.IsTrue(line?.StartsWith("Serving on ", StringComparison.Ordinal), $"the server said: {line}\n{errors}");
        return (server, new Uri(line!["Serving on ".Length..].Split(';', ',')[0]));
    }

    /// <summary>Sends a signal; Windows has none that one process sends another.</summary>
    public static async Task SignalAsync(Process process, string signal)
    {
        using Process kill = Process.Start("kill", $"-{signal} {process.Id}");
        await kill.WaitForExitAsync();
    }

    /// <summary>Ends a server in its ordinary way, so that it leaves nothing behind.</summary>
    public static async Task StopAsync(Process server)
    {
        if (OperatingSystem.IsWindows())
        {
            await KillAsync(server);
            return;
        }
        await SignalAsync(server, "TERM");
        await server.WaitForExitAsync();
        server.Dispose();
    }

    /// <summary>Ends a server at once, without its leave.</summary>
    public static async Task KillAsync(Process server)
    {
        server.Kill(entireProcessTree: true);
        await server.WaitForExitAsync();
        server.Dispose();
    }
}
