// The build: `dotnet tool restore && dotnet cake [--target=Build|Test|KillTest|FuzzRequests|FuzzModels|Load|Soak|LargeModels|Mutation|Demo|Pack] [--configuration=Release]`.
#nullable enable
using System.Collections.Concurrent;
using System.Xml.Linq;

var target = Argument("target", "Test");
var configuration = Argument("configuration", "Release");
var artifacts = MakeAbsolute(Directory("artifacts"));
var testResults = artifacts.Combine("test-results");

TestCount? testCount = null;

Task("Build")
    .Description("Builds the whole solution.")
    .Does(() => DotNetBuild("AlignerOnnx.sln", new DotNetBuildSettings { Configuration = configuration, NoLogo = true }));

Task("Test")
    .Description("Runs every test project and adds their results up.")
    .IsDependentOn("Build")
    .Does(() =>
{
    CleanDirectory(testResults);
    testCount = new TestCount();
    // Two at a time: many tests wait for a process of their own, and no project uses two cores all the time.
    var projects = Partitioner.Create(GetFiles("tests/**/*.csproj").Where(IsTestProject).OrderBy(file => file.FullPath, StringComparer.Ordinal), EnumerablePartitionerOptions.NoBuffering);
    Parallel.ForEach(projects, new ParallelOptions { MaxDegreeOfParallelism = 2 }, project =>
    {
        var name = project.GetFilenameWithoutExtension().FullPath;
        var program = project.GetDirectory().CombineWithFilePath($"bin/{configuration}/net10.0/{name}.dll");
        var count = RunTests(name, program);
        lock (testCount)
        {
            testCount.Add(count);
        }
    });
    if (testCount.Failed > 0)
    {
        throw new CakeException($"{testCount.Failed} tests failed.");
    }
    if (testCount.Passed == 0)
    {
        throw new CakeException("No test passed: every test project is empty or skips all it has.");
    }
});

Task("KillTest")
    .Description("Kills training at 50 random moments, continues it each time, and compares the adapters byte for byte; the tests do it 8 times.")
    .IsDependentOn("Build")
    .Does(() =>
{
    var exitCode = StartProcess("dotnet", new ProcessSettings
    {
        Arguments = new ProcessArgumentBuilder().Append("exec").AppendQuoted($"tests/AlignerOnnx.Cli.Tests/bin/{configuration}/net10.0/AlignerOnnx.Cli.Tests.dll")
            .Append("--filter Name~Resume_AfterKills --output detailed --progress off --no-banner"),
        EnvironmentVariables = new Dictionary<string, string> { ["ALIGNER_KILLS"] = "50" },
    });
    if (exitCode != 0)
    {
        throw new CakeException($"The kill test ended with exit code {exitCode}.");
    }
});

Task("FuzzRequests")
    .Description("Sends changed requests and uploads through the whole server: --inputs=N (two million), --seed=N.")
    .Does(() =>
{
    DotNetBuild("tests/RequestFuzz/AlignerOnnx.RequestFuzz.csproj", new DotNetBuildSettings { Configuration = configuration, NoLogo = true, Verbosity = DotNetVerbosity.Quiet });
    var exitCode = StartProcess("dotnet", new ProcessSettings
    {
        Arguments = new ProcessArgumentBuilder().AppendQuoted($"tests/RequestFuzz/bin/{configuration}/net10.0/AlignerOnnx.RequestFuzz.dll")
            .Append(Argument("inputs", "2000000")).Append(Argument("seed", "1")),
    });
    if (exitCode != 0)
    {
        throw new CakeException("The server did not handle an input; artifacts/fuzz-requests holds it.");
    }
});

Task("Load")
    .Description("Load on a server of its own: --minutes=N (10), --clients=N (8), --model=DIR, --kill=true kills it at half time.")
    .Does(() => ServerLoad($"load --minutes {Argument("minutes", "10")} --clients {Argument("clients", "8")}{ModelOption()}{(Argument("kill", false) ? " --kill" : "")}"));

Task("Soak")
    .Description("Swaps versions under load and checks every answer: --swaps=N (100000), --clients=N (4).")
    .Does(() => ServerLoad($"soak --swaps {Argument("swaps", "100000")} --clients {Argument("clients", "4")}{ModelOption()}"));

Task("FuzzModels")
    .Description("Takes changed exports through load, recognise, patch, save: --inputs=N (two million), --seed=N.")
    .Does(() =>
{
    DotNetBuild("tests/ModelFuzz/AlignerOnnx.ModelFuzz.csproj", new DotNetBuildSettings { Configuration = configuration, NoLogo = true, Verbosity = DotNetVerbosity.Quiet });
    var exitCode = StartProcess("dotnet", new ProcessSettings
    {
        Arguments = new ProcessArgumentBuilder().AppendQuoted($"tests/ModelFuzz/bin/{configuration}/net10.0/AlignerOnnx.ModelFuzz.dll")
            .Append(Argument("inputs", "2000000")).Append(Argument("seed", "1")),
    });
    if (exitCode != 0)
    {
        throw new CakeException("The rewriter did not handle an input; artifacts/fuzz-models holds it.");
    }
});

Task("LargeModels")
    .Description("Time and memory of the tool on the graphs of a 7B and a 70B model: --runs=N (5); with --run, of training on a 7B model and of its answers (6 GB of memory, 4.2 of disk).")
    .Does(() =>
{
    DotNetBuild("tests/LargeModels/AlignerOnnx.LargeModels.csproj", new DotNetBuildSettings { Configuration = configuration, NoLogo = true, Verbosity = DotNetVerbosity.Quiet });
    if (StartProcess("dotnet", $"exec tests/LargeModels/bin/{configuration}/net10.0/AlignerOnnx.LargeModels.dll {Argument("runs", "5")}{(HasArgument("run") ? " run" : "")}") != 0)
    {
        throw new CakeException("The tool did not take a large model.");
    }
});

Task("Mutation")
    .Description("Mutation score of the rule tests of one folder of graph-rewrites: --folder=NAME (Injection). The report is in artifacts/mutation.")
    .Does(() =>
{
    var folder = Argument("folder", "Injection");
    var exitCode = StartProcess("dotnet", new ProcessSettings
    {
        Arguments = $"stryker --mutate \"{folder}/**/*.cs\" --output \"{artifacts.Combine("mutation").Combine(folder)}\"",
        WorkingDirectory = "tests/AlignerOnnx.GraphRewrites.Tests",
        EnvironmentVariables = new Dictionary<string, string>
        {
            ["FastTests"] = "true",
            ["MutatedFolder"] = folder,
            // Milliseconds: Stryker asks `dotnet --info` for the SDK and gives up on a busy machine otherwise.
            ["DOTNET_INFO_WAIT_TIME"] = "600000",
        },
    });
    if (exitCode != 0)
    {
        throw new CakeException($"Stryker ended with exit code {exitCode}.");
    }
});

Task("Demo")
    .Description("Patches, trains, compiles and answers on the embedded model.")
    .Does(() =>
{
    // Only what the demo needs, so that the first command a visitor tries answers soon.
    const string project = "src/AlignerOnnx.Cli/AlignerOnnx.Cli.csproj";
    DotNetBuild(project, new DotNetBuildSettings { Configuration = configuration, NoLogo = true, Verbosity = DotNetVerbosity.Quiet });
    var exitCode = StartProcess("dotnet", new ProcessSettings
    {
        Arguments = new ProcessArgumentBuilder().AppendQuoted($"src/AlignerOnnx.Cli/bin/{configuration}/net10.0/aligner.dll").Append("demo"),
    });
    if (exitCode != 0)
    {
        throw new CakeException($"aligner demo ended with exit code {exitCode}.");
    }
});

Task("Pack")
    .Description("Makes the NuGet packages of the aligner tool and of the libraries in artifacts/packages.")
    .IsDependentOn("Build")
    .Does(() => DotNetPack("AlignerOnnx.sln", new DotNetPackSettings
    {
        Configuration = configuration,
        NoBuild = true,
        OutputDirectory = artifacts.Combine("packages"),
    }));

// Cake writes its table of tasks inside RunTarget and a failure's message after the script; caught here, the count is the last line in any case.
var failed = false;
try
{
    RunTarget(target);
}
catch (Exception exception)
{
    failed = true;
    Console.Error.WriteLine($"Error: {exception.GetBaseException().Message}");
    Console.Error.Flush();
}
if (testCount is not null)
{
    Console.WriteLine($"{testCount.Passed} passed, {testCount.Failed} failed, {testCount.Skipped} skipped");
}
if (failed)
{
    Console.Out.Flush();
    Environment.Exit(1);
}

string ModelOption() => HasArgument("model") ? $" --model {Argument<string>("model")}" : "";

void ServerLoad(string arguments)
{
    DotNetBuild("tests/ServerLoad/AlignerOnnx.ServerLoad.csproj", new DotNetBuildSettings { Configuration = configuration, NoLogo = true, Verbosity = DotNetVerbosity.Quiet });
    var exitCode = StartProcess("dotnet", new ProcessSettings { Arguments = $"exec tests/ServerLoad/bin/{configuration}/net10.0/AlignerOnnx.ServerLoad.dll {arguments}" });
    if (exitCode != 0)
    {
        throw new CakeException("An answer was wrong, or a request failed.");
    }
}

bool IsTestProject(FilePath project)
{
    var text = System.IO.File.ReadAllText(project.FullPath);
    return !text.Contains("<IsTestProject>false</IsTestProject>", StringComparison.Ordinal);
}

// Each project runs as its own process: a native crash in one is a failure of that one, and the others still report. What it writes is shown when it has ended.
TestCount RunTests(string name, FilePath program)
{
    const int noTests = 8; // Microsoft.Testing.Platform's exit code for a project without tests.
    var report = testResults.CombineWithFilePath(name + ".trx");
    var exitCode = StartProcess("dotnet", new ProcessSettings
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        Arguments = new ProcessArgumentBuilder()
            .Append("exec").AppendQuoted(program.FullPath)
            .Append("--progress off --no-banner")
            .Append("--report-trx --report-trx-filename").AppendQuoted(name + ".trx")
            .Append("--results-directory").AppendQuoted(testResults.FullPath),
    }, out var output, out var errors);
    Console.WriteLine(string.Join(Environment.NewLine, output.Concat(errors)));
    var count = System.IO.File.Exists(report.FullPath) ? TestCount.FromTrx(report.FullPath) : new TestCount();
    if (exitCode != 0 && exitCode != noTests && count.Failed == 0)
    {
        Console.Error.WriteLine($"{name} ended with exit code {exitCode} without naming a failed test; counted as one failure.");
        count.Failed++;
    }
    return count;
}

class TestCount
{
    public int Passed, Failed, Skipped;

    public void Add(TestCount other)
    {
        Passed += other.Passed;
        Failed += other.Failed;
        Skipped += other.Skipped;
    }

    // Counted by result, not from the file's own counters, which leave ignored tests out.
    public static TestCount FromTrx(string path)
    {
        var count = new TestCount();
        foreach (var result in XDocument.Load(path).Descendants().Where(element => element.Name.LocalName == "UnitTestResult"))
        {
            switch (result.Attribute("outcome")?.Value)
            {
                case "Passed": count.Passed++; break;
                case "NotExecuted" or "Inconclusive" or "Pending": count.Skipped++; break;
                default: count.Failed++; break;
            }
        }
        return count;
    }
}
