using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.OnDevice;

[TestClass]
public sealed class OrtTrainingLibraryTests
{
    private readonly string _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Load_MissingFile_IsRefused() => Refused(Path.Combine(_folder, "none.so"), "no such file");

    [TestMethod]
    public void Load_NoLibrary_IsRefused()
    {
        string file = Path.Combine(_folder, "text.so");
        File.WriteAllText(file, new string('x', 5000));
        Refused(file, "no native library");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [DataRow("7F454C46020101000000000000000000" + "0300" + "B700", "Arm64")]
    [DataRow("CFFAEDFE0C000001", "OSX")]
    public void Load_LibraryOfAnotherSystemOrProcessor_IsRefusedBeforeItIsLoaded(string header, string named)
    {
        string file = Path.Combine(_folder, "other.so");
        File.WriteAllBytes(file, [.. Convert.FromHexString(header), .. new byte[200]]);
        Refused(file, named);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Load_OrdinaryOnnxRuntime_IsRefusedAsWithoutTraining()
    {
        // The library that runs inference here: the same functions, none for training.
        string file = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libonnxruntime.so");
        Refused(File.Exists(file) ? file : Path.Combine(AppContext.BaseDirectory, "libonnxruntime.so"), "built without training");
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Load_AnotherLibrary_IsRefused() =>
        Refused(Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so").Single(), "no OrtGetApiBase");

    private static void Refused(string file, string reason)
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => OrtTrainingLibrary.Load(file));
        Assert.AreEqual(file, refusal.Where);
        Assert.Contains(reason, refusal.Found!);
        Assert.Contains("--ort-training-library", refusal.Remedy!);
    }
}
