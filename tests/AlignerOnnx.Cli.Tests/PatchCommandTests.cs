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
