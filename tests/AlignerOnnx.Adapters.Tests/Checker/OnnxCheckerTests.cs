using System.Diagnostics;
using System.Runtime.CompilerServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Checker;

/// <summary>Python's onnx.checker, from Debian's package python3-onnx, accepts every patched model. Skipped where it is not installed.</summary>
[TestClass]
public sealed class OnnxCheckerTests
{
    private const string Python = "/usr/bin/python3";

    [TestMethod]
    public void PatchedModels_OfEveryExportAndLayout_AreAccepted()
    {
        RequireOnnx();
        string folder = Material.NewTemporaryFolder();
        try
        {
            string[] patched = [.. Models().SelectMany(model => SlotLayouts.All.Select(layout => Patch(model, layout, folder))).OfType<string>()];
            // 2 exports in all four layouts and, where the shared folder is, 24 more in those that they can have.
            Assert.IsGreaterThanOrEqualTo(Material.HasShared ? 90 : 8, patched.Length);
            Assert.AreEqual("", Refusals(patched));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void AModelWithANameTwice_IsNot()
    {
        RequireOnnx();
        string folder = Material.NewTemporaryFolder();
        try
        {
            string patched = Patch(Material.Pocket(), SlotLayout.OneToken, folder)!;
            Onnx.ModelProto model = Onnx.ModelProto.Parser.ParseFrom(File.ReadAllBytes(patched));
            model.Graph.Node.Add(model.Graph.Node[^1].Clone());
            File.WriteAllBytes(patched, Google.Protobuf.MessageExtensions.ToByteArray(model));
            StringAssert.Contains(Refusals([patched]), "single static assignment");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static IEnumerable<string> Models()
    {
        string[] roots = [Path.GetDirectoryName(Material.Pocket())!, .. Material.HasShared ? [Material.Shared("exports")] : Array.Empty<string>()];
        return roots.SelectMany(root => Directory.GetFiles(root, "model.onnx", SearchOption.AllDirectories)).Order(StringComparer.Ordinal);
    }

    private static string? Patch(string model, SlotLayout layout, string folder)
    {
        string destination = Path.Combine(folder, $"{Directory.GetDirectories(folder).Length}-{SlotLayouts.NameOf(layout)}");
        try
        {
            ModelPatcher.Patch(model, destination, layout: layout);
            return ModelPaths.FindOnnxFile(destination);
        }
        catch (ModelRefusedException)
        {
            // Which layouts an export has is tested elsewhere.
            return null;
        }
    }

    private static void RequireOnnx()
    {
        if (!File.Exists(Python) || Run(["-c", "import onnx"], "").ExitCode != 0)
        {
            Assert.Inconclusive("needs Python's onnx: apt-get install python3-onnx");
        }
    }

    private static string Refusals(IEnumerable<string> files, [CallerFilePath] string thisFile = "")
    {
        (int exitCode, string output) = Run([Path.Combine(Path.GetDirectoryName(thisFile)!, "check_models.py")], string.Join('\n', files));
        Assert.AreEqual(0, exitCode, output);
        return output;
    }

    private static (int ExitCode, string Output) Run(string[] arguments, string input)
    {
        using Process process = Process.Start(new ProcessStartInfo(Python, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, process.ExitCode == 0 ? output : errors.Result);
    }
}
