using System.CommandLine.Parsing;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Cli.Tests;

/// <summary>What the README tells people to type works, in the README's order.</summary>
[TestClass]
public sealed class ReadmeTests
{
    [TestMethod]
    public async Task Snippets_OfTheTool_RunInOrder()
    {
        string[] lines = [.. Snippets().Where(line => line.StartsWith("aligner ", StringComparison.Ordinal))];
        Assert.IsNotEmpty(lines);
        string folder = Material.NewTemporaryFolder();
        try
        {
            // Paths in the README are relative to the repository; a link keeps what the snippets write out of it.
            Directory.CreateSymbolicLink(Path.Combine(folder, "models"), Path.Combine(Material.Repository, "models"));
            foreach (string line in lines)
            {
                AlignerProcess.Run run = await AlignerProcess.RunAsync(CommandLineParser.SplitCommandLine(line).Skip(1), folder);
                Assert.AreEqual(ExitCodes.Done, run.ExitCode, $"{line}\n{run.Output}\n{run.Errors}");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
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
