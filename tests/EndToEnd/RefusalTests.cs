using AlignerOnnx.Adapters;

namespace AlignerOnnx.EndToEnd;

/// <summary>Adapters that do not fit are refused with the documented exit code, and nothing is left behind.</summary>
[TestClass]
public sealed class RefusalTests
{
    private const int AdapterRefused = 4;

    private string _folder = "";

    [TestInitialize]
    public void MakeFolder() => _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public async Task Compile_OfAnAdapterOfAnotherModel_IsRefused()
    {
        string errors = (await Compile(MakeAdapter(hiddenSize: 64))).Expect(AdapterRefused).Errors;
        StringAssert.Contains(errors, "another architecture");
        Assert.IsFalse(File.Exists(Path.Combine(_folder, "out.onnx_adapter")));
    }

    [TestMethod]
    public async Task Compile_OfAnAdapterOfOtherWeights_NeedsAnyBase()
    {
        string adapter = MakeAdapter(hiddenSize: 128);
        StringAssert.Contains((await Compile(adapter)).Expect(AdapterRefused).Errors, "--any-base");
        (await Compile(adapter, "--any-base")).Expect(0);
        Assert.IsTrue(File.Exists(Path.Combine(_folder, "out.onnx_adapter")));
    }

    [TestMethod]
    public async Task Generate_WithAFolderThatIsNoAdapter_IsRefused() =>
        (await AlignerProcess.RunAsync("generate", Material.Pocket(), "--prompt", "x", "--adapter", _folder)).Expect(AdapterRefused);

    private Task<AlignerProcess.Run> Compile(string adapter, params string[] more) => AlignerProcess.RunAsync(
        ["adapter", "compile", adapter, "--model", Material.Pocket(), "-o", Path.Combine(_folder, "out.onnx_adapter"), .. more], workingFolder: null);

    private string MakeAdapter(int hiddenSize)
    {
        AdapterConfig config = new()
        {
            NumTokens = 1, StartLayer = 2, HiddenSize = hiddenSize, NumLayers = 6, NumHeads = 4, NumKvHeads = 2, HeadDim = 32, BaseFingerprint = new string('0', 64), BaseModelNameOrPath = "other",
        };
        string folder = Path.Combine(_folder, $"adapter-{hiddenSize}");
        AdapterPackage.Save(new Adapter(config, new float[hiddenSize], new float[16]), folder);
        return folder;
    }
}
