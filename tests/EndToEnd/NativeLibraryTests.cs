using System.Diagnostics;

namespace AlignerOnnx.EndToEnd;

/// <summary>A native library that is missing is said; without a check GenAI would end the process with a segmentation fault.</summary>
[TestClass]
public sealed class NativeLibraryTests
{
    [TestMethod]
    [DataRow("libonnxruntime.so", "The native library of ONNX Runtime cannot be loaded")]
    [DataRow("libonnxruntime-genai.so", "The native library of ONNX Runtime GenAI cannot be loaded")]
    public async Task Missing_IsSaidWithWhatToDo(string library, string message)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Inconclusive("needs Linux: names its libraries");
        }
        string folder = Material.NewTemporaryFolder();
        try
        {
            // A copy of the tool by hard links where the file system allows it.
            string copy = Path.Combine(folder, "tool");
            using (Process linked = Process.Start("bash", ["-c", $"cp -rl '{AppContext.BaseDirectory}' '{copy}' 2>/dev/null || cp -r '{AppContext.BaseDirectory}' '{copy}'"]))
            {
                await linked.WaitForExitAsync();
            }
            foreach (string file in Directory.GetFiles(copy, library, SearchOption.AllDirectories))
            {
                File.Delete(file);
            }
            using Process tool = Process.Start(new ProcessStartInfo("dotnet", ["exec", Path.Combine(copy, "aligner.dll"), "generate", Material.Pocket(), "--prompt", "Hi"]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            Task<string> output = tool.StandardOutput.ReadToEndAsync();
            string errors = await tool.StandardError.ReadToEndAsync();
            await tool.WaitForExitAsync();
            Assert.AreEqual(1, tool.ExitCode, errors + await output);
            StringAssert.Contains(errors, message);
            StringAssert.Contains(errors, "what to do");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
