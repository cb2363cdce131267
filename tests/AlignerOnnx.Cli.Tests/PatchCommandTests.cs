using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class PatchCommandTests
{
    private readonly string _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow("copy")]
    [DataRow("link")]
    public async Task Patch_EmbeddedModel_AnswersAsTheBaseDoes(string weights)
    {
        string source = CopyOfPocket();
        string patched = Path.Combine(_folder, "patched");
        AlignerProcess.Run patch = (await AlignerProcess.RunAsync("patch", source, "-o", patched, "--weights", weights, "--json")).Expect(ExitCodes.Done);
        Assert.AreEqual("one-token", patch.Document.GetProperty("slots").GetString());
        Assert.AreEqual(6, patch.Document.GetProperty("sites").GetInt32());

        AlignerProcess.Run ofBase = (await AlignerProcess.RunAsync("generate", source, "--prompt", "What sound does a dog make?")).Expect(ExitCodes.Done);
        AlignerProcess.Run ofPatched = (await AlignerProcess.RunAsync("generate", patched, "--prompt", "What sound does a dog make?")).Expect(ExitCodes.Done);
        Assert.AreEqual(ofBase.Output, ofPatched.Output);
    }

    [TestMethod]
    public async Task Patch_TakenOutput_FailsAndLeavesItAlone()
    {
        string taken = Path.Combine(_folder, "taken");
        Directory.CreateDirectory(taken);
        File.WriteAllText(Path.Combine(taken, "mine.txt"), "mine");
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("patch", Material.Pocket(), "-o", taken)).Expect(ExitCodes.Failure);
        Assert.Contains("already exists", run.Errors);
        Assert.HasCount(1, Directory.GetFileSystemEntries(taken));
    }

    /// <summary>A base model's folder is never written to, whatever names lead there.</summary>
    [TestMethod]
    [DataRow("base", "base/inside")]
    [DataRow("base", "base/new/inside")]
    [DataRow("base/model.onnx", "base/inside")]
    [DataRow("base", "link/inside")]
    [DataRow("link", "base/inside")]
    [DataRow("base", "base/../linked/base/inside")]
    public async Task Patch_IntoTheBaseModel_IsRefusedAndNothingIsWritten(string model, string output)
    {
        string source = CopyOfPocket();
        Directory.CreateSymbolicLink(Path.Combine(_folder, "link"), source);
        Directory.CreateSymbolicLink(Path.Combine(_folder, "linked"), _folder);
        int files = Directory.GetFileSystemEntries(source).Length;
        string destination = Path.Combine(_folder, output);
        foreach (string[] command in (string[][])[["patch", Path.Combine(_folder, model), "-o", destination], ["train", "artifacts", Path.Combine(_folder, model), "-o", destination]])
        {
            AlignerProcess.Run run = (await AlignerProcess.RunAsync(command)).Expect(ExitCodes.ModelRefused);
            Assert.Contains("The output would lie in the folder of the base model", run.Errors);
            Assert.Contains("what to do:", run.Errors);
            Assert.HasCount(files, Directory.GetFileSystemEntries(source));
        }
    }

    /// <summary>A folder that only begins with the same letters, and one beside a single file, are others.</summary>
    [TestMethod]
    [DataRow("base", "base-patched")]
    [DataRow("file/model.onnx", "file/patched")]
    public async Task Patch_BesideTheBaseModel_IsDone(string model, string output)
    {
        string source = CopyOfPocket();
        Directory.CreateDirectory(Path.Combine(_folder, "file"));
        foreach (string name in (string[])["model.onnx", "model.onnx.data"])
        {
            File.Copy(Path.Combine(source, name), Path.Combine(_folder, "file", name));
        }
        (await AlignerProcess.RunAsync("patch", Path.Combine(_folder, model), "-o", Path.Combine(_folder, output))).Expect(ExitCodes.Done);
    }

    [TestMethod]
    public async Task Patch_MissingDataFile_IsRefusedAndNothingIsWritten()
    {
        string source = CopyOfPocket();
        File.Delete(Path.Combine(source, "model.onnx.data"));
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("patch", source, "-o", Path.Combine(_folder, "patched"))).Expect(ExitCodes.ModelRefused);
        Assert.Contains("model.onnx.data", run.Errors);
        Assert.HasCount(1, Directory.GetFileSystemEntries(_folder));
    }

    [TestMethod]
    public async Task Patch_AnotherArchitecture_IsRefusedAndNothingIsWritten()
    {
        (await AlignerProcess.RunAsync("patch", Material.Shared("exports", "genai_tiny-random-gpt2-fp32"), "-o", Path.Combine(_folder, "patched"))).Expect(ExitCodes.ModelRefused);
        Assert.IsEmpty(Directory.GetFileSystemEntries(_folder));
    }

    /// <summary>Every other layer of Gemma 2 has a window, from which tokens of a prefix move out.</summary>
    [TestMethod]
    [DataRow("prefix", 1)]
    [DataRow("many-token", 0)]
    public async Task Patch_ModelWithWindows_WarnsWhereTheyHidePrefixes(string slots, int warnings)
    {
        AlignerProcess.Run patch = (await AlignerProcess.RunAsync("patch", Material.Shared("exports", "reference-models", "ref-gemma2"), "-o", Path.Combine(_folder, "patched"), "--slots", slots, "--json")).Expect(ExitCodes.Done);
        Assert.AreEqual(warnings, patch.Document.GetProperty("warnings").GetArrayLength());
        Assert.AreEqual(warnings > 0, patch.Errors.Contains("hides the tokens of a prefix", StringComparison.Ordinal), patch.Errors);
    }

    // A copy, because hard links count the original's links too.
    private string CopyOfPocket()
    {
        string copy = Path.Combine(_folder, "base");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(Material.Pocket()))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }
        return copy;
    }
}
