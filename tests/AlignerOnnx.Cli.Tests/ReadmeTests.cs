using System.CommandLine.Parsing;
using System.Diagnostics;

namespace AlignerOnnx.Cli.Tests;

/// <summary>What the README tells people to type works, in the README's order.</summary>
[TestClass]
public sealed class ReadmeTests
{
    [TestMethod]
    public async Task Snippets_OfTheTool_RunInOrder()
    {
        string[] lines = [.. Snippets().Where(line => line.StartsWith("aligner ", StringComparison.Ordinal) || line.StartsWith("curl ", StringComparison.Ordinal))];
        Assert.IsNotEmpty(lines);
        string folder = Material.NewTemporaryFolder();
        Process? server = null;
        try
        {
            // Paths in the README are relative to the repository; a link keeps what the snippets write out of it.
            Directory.CreateSymbolicLink(Path.Combine(folder, "models"), Path.Combine(Material.Repository, "models"));
            foreach (string line in lines)
            {
                string[] words = [.. CommandLineParser.SplitCommandLine(line).Skip(1)];
                if (words[0] == "serve")
                {
                    (server, _) = await AlignerProcess.ServeAsync(words, folder);
                }
                else if (line.StartsWith("curl ", StringComparison.Ordinal))
                {
                    StringAssert.Contains(await ShellAsync(line), "assistant", line);
                }
                else
                {
                    (await AlignerProcess.RunAsync(words, folder)).Expect(ExitCodes.Done);
                }
            }
        }
        finally
        {
            if (server is not null)
            {
                await AlignerProcess.StopAsync(server);
            }
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> ShellAsync(string line)
    {
        using Process shell = Process.Start(new ProcessStartInfo("bash", ["-c", line]) { RedirectStandardOutput = true })!;
        string output = await shell.StandardOutput.ReadToEndAsync();
        await shell.WaitForExitAsync();
        Assert.AreEqual(0, shell.ExitCode, line);
        return output;
    }

    [TestMethod]
    public void Snippets_OfTheBuild_NameTargetsThatExist()
    {
        string build = File.ReadAllText(Path.Combine(Material.Repository, "build.cake"));
        string[] targets = [.. Snippets().SelectMany(line => line.Split(' ')).Where(word => word.StartsWith("--target=", StringComparison.Ordinal))];
        Assert.IsNotEmpty(targets);
        foreach (string target in targets)
        {
            Assert.Contains($"Task(\"{target["--target=".Length..]}\")", build);
        }
    }

    [TestMethod]
    public void TestCommand_OfTheContinuousIntegration_IsTheReadmes()
    {
        string[] run = File.ReadAllLines(Path.Combine(Material.Repository, ".ci", "run"));
        string[] commands = [.. run.Where(line => line.StartsWith("dotnet ", StringComparison.Ordinal))];
        Assert.Contains(string.Join(" && ", commands), Snippets());
    }

    private static string[] Snippets()
    {
        List<string> lines = [];
        bool inside = false;
        foreach (string line in File.ReadLines(Path.Combine(Material.Repository, "README.md")))
        {
            if (line.StartsWith("```", StringComparison.Ordinal))
            {
                inside = !inside && line == "```sh";
            }
            else if (inside)
            {
                lines.Add(line);
            }
        }
        return [.. lines];
    }
}
