using System.Diagnostics;
using System.Text.RegularExpressions;

namespace AlignerOnnx.EndToEnd;

/// <summary>
/// The libraries as another program gets them: from packages. The program is the one of docs/serving.md, built against packages of this build alone. The package of ONNX Runtime GenAI, which ours depend on, is made of the binding
/// that the build compiles, so that feeds without it do.
/// </summary>
[TestClass]
public sealed partial class LibraryPackagesTests
{
    private static readonly string[] Libraries =
    [
        "src/Onnx.Proto", "src/AlignerOnnx.Graph", "graph-rewrites", "src/AlignerOnnx.Kernels", "src/AlignerOnnx.Adapters", "src/AlignerOnnx.GenAI", "src/AlignerOnnx.GenAI/Binding",
    ];

    private static string s_folder = "";

    [ClassInitialize]
    public static async Task Pack(TestContext context)
    {
        s_folder = Material.NewTemporaryFolder();
        foreach (string library in Libraries)
        {
            await Dotnet(Material.Repository, "pack", library, "--no-build", "-c", Configuration, "-o", Path.Combine(s_folder, "feed"), "-p:IsPackable=true", "-v", "quiet", "--nologo");
        }
    }

    [ClassCleanup]
    public static void Delete() => Directory.Delete(s_folder, recursive: true);

    [TestMethod]
    public async Task AProgram_WithThePackageOfTheChatClient_AnswersAsTheToolDoes()
    {
        string expected = await MakeModelAndAdapter();
        await WriteProgram();
        await Dotnet(s_folder, "build", "-c", "Release", "-v", "quiet", "--nologo", "-o", "program");
        string said = await Dotnet(s_folder, "exec", Path.Combine("program", "Program.dll"));
        Assert.AreEqual(expected, said.Trim());
    }

    /// <summary>What the program of the docs names.</summary>
    /// <returns>The tool's answer with the adapter.</returns>
    private static async Task<string> MakeModelAndAdapter()
    {
        string adapter = Path.Combine(s_folder, "json"), patched = Path.Combine(s_folder, "pocket-patched");
        await Tool("train", "sft", Material.Pocket(), "--data", Material.PocketData("form-json.train.jsonl"), "--steps", "60", "-o", adapter);
        await Tool("patch", Material.Pocket(), "-o", patched);
        await Tool("adapter", "compile", adapter, "--model", patched, "-o", Path.Combine(s_folder, "json.onnx_adapter"));
        string withIt = await Tool("generate", Material.Pocket(), "--prompt", QuestionOf(Snippet()), "--adapter", adapter), without = await Tool("generate", Material.Pocket(), "--prompt", QuestionOf(Snippet()));
        Assert.AreNotEqual(without, withIt);
        return withIt;
    }

    private static async Task WriteProgram()
    {
        await File.WriteAllTextAsync(Path.Combine(s_folder, "Program.cs"), Snippet());
        await File.WriteAllTextAsync(Path.Combine(s_folder, "nuget.config"), """
            <configuration>
              <packageSources><add key="aligner" value="feed" /></packageSources>
              <fallbackPackageFolders><add key="here" value="%HOME%/.nuget/packages" /></fallbackPackageFolders>
            </configuration>
            """);
        // Its own folder of packages: a package of an earlier build has the same version.
        await File.WriteAllTextAsync(Path.Combine(s_folder, "Program.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <RestorePackagesPath>packages</RestorePackagesPath>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="AlignerOnnx.GenAI" Version="0.1.0" />
                <PackageReference Include="Microsoft.Extensions.DependencyInjection" Version="10.0.13" />
              </ItemGroup>
            </Project>
            """);
    }

    /// <summary>The first program of the chapter.</summary>
    private static string Snippet()
    {
        string docs = File.ReadAllText(Path.Combine(Material.Repository, "docs", "serving.md"));
        return Program().Match(docs).Groups[1].Value;
    }

    private static string QuestionOf(string program) => Question().Match(program).Groups[1].Value;

    [GeneratedRegex("## In a \\.NET program.*?```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Program();

    [GeneratedRegex("GetResponseAsync\\(\"([^\"]+)\"")]
    private static partial Regex Question();

    private static string Configuration => Directory.GetParent(AppContext.BaseDirectory.TrimEnd('/', '\\'))!.Name;

    private static async Task<string> Tool(params string[] arguments) => (await AlignerProcess.RunAsync(arguments)).Expect(0).Output.Trim();

    private static async Task<string> Dotnet(string folder, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(0, process.ExitCode, $"dotnet {string.Join(' ', arguments)}:\n{output}\n{await errors}");
        return output;
    }
}
