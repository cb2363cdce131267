using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Packages;

/// <summary>The adapter folder: what it holds, how small it is, and when it is refused.</summary>
[TestClass]
public sealed class AdapterPackageTests
{
    private string _root = "";

    [TestInitialize]
    public void MakeFolder() => _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    private string Folder => Path.Combine(_root, "adapter");

    private static AdapterConfig Config => new()
    {
        NumTokens = 1, StartLayer = 2, HiddenSize = 8, NumLayers = 4, NumHeads = 2, NumKvHeads = 1, HeadDim = 4, BaseFingerprint = "f", Training = new TrainingRecord { Steps = 3, EvalLoss = 1.5 },
    };

    private static Adapter Small => new(Config, new float[] { 1, 2, 3, 4, 5, 6, 7, 8 }, new float[] { 0.1f, 0.2f, 0.3f, 0.4f });

    [TestMethod]
    public void Save_ThenLoad_GivesTheSameAdapter()
    {
        AdapterPackage.Save(Small, Folder);
        Adapter loaded = AdapterPackage.Load(Folder);
        Assert.AreEqual(Config, loaded.Config);
        CollectionAssert.AreEqual(Small.Tokens.ToArray(), loaded.Tokens.ToArray());
        CollectionAssert.AreEqual(Small.Gates.ToArray(), loaded.Gates.ToArray());
    }

    [TestMethod]
    public void Save_OfAnAdapterForLlama2_7B_StaysBelow25KB()
    {
        AdapterConfig config = Config with { HiddenSize = 4096, NumLayers = 32, NumHeads = 32, NumKvHeads = 32, HeadDim = 128, BaseFingerprint = new string('0', 64) };
        AdapterPackage.Save(new Adapter(config, new float[4096], new float[30 * 32]), Folder);
        Assert.IsLessThan(25_000, Directory.GetFiles(Folder).Sum(file => new FileInfo(file).Length));
        Assert.HasCount(3, Directory.GetFiles(Folder));
    }

    [TestMethod]
    public void Save_OverAnotherFolder_IsRefusedAndLeavesIt()
    {
        AdapterPackage.Save(Small, Folder);
        Assert.ThrowsExactly<OutputTakenException>(() => AdapterPackage.Save(Small with { Tokens = new float[8] }, Folder));
        Assert.AreEqual(1, AdapterPackage.Load(Folder).Tokens.Span[0]);
        Assert.HasCount(1, Directory.GetFileSystemEntries(_root));
    }

    [TestMethod]
    [DataRow("\"ALIGNER\"", "\"LORA\"")]
    [DataRow("\"format_version\": 1", "\"format_version\": 2")]
    [DataRow("\"gated\"", "\"sideways\"")]
    [DataRow("\"num_tokens\": 1", "\"num_tokens\": 0")]
    [DataRow("\"num_tokens\": 1", "\"num_tokens\": 2")]
    [DataRow("\"start_layer\": 2", "\"start_layer\": -1")]
    [DataRow("\"start_layer\": 2", "\"start_layer\": 4")]
    [DataRow("\"start_layer\": 2", "\"start_layer\": 1")]
    [DataRow("\"hidden_size\": 8", "\"hidden_size\": 9")]
    [DataRow("\"hidden_size\": 8", "\"hidden_size\": 999999999999")]
    [DataRow("\"num_heads\": 2", "\"num_heads\": 3")]
    [DataRow("\"num_kv_heads\": 1", "\"num_kv_heads\": 0")]
    [DataRow("\"num_layers\": 4", "\"num_layers\": \"four\"")]
    [DataRow("\"base_fingerprint\": \"f\",", "")]
    public void Load_OfAConfigurationThatDoesNotFit_IsRefused(string from, string to)
    {
        AdapterPackage.Save(Small, Folder);
        string file = Path.Combine(Folder, AdapterPackage.ConfigFile);
        string text = File.ReadAllText(file);
        StringAssert.Contains(text, from);
        File.WriteAllText(file, text.Replace(from, to, StringComparison.Ordinal));
        Assert.ThrowsExactly<AdapterRefusedException>(() => AdapterPackage.Load(Folder));
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void Load_OfNumbersThatAreNotFinite_IsRefused(float number)
    {
        AdapterPackage.Save(Small with { Gates = new[] { 0, 0, number, 0 } }, Folder);
        StringAssert.Contains(Assert.ThrowsExactly<AdapterRefusedException>(() => AdapterPackage.Load(Folder)).Message, "not finite");
    }

    [TestMethod]
    [DataRow(AdapterPackage.ConfigFile)]
    [DataRow(AdapterPackage.TensorFile)]
    public void Load_WithoutAFile_IsRefused(string file)
    {
        AdapterPackage.Save(Small, Folder);
        File.Delete(Path.Combine(Folder, file));
        Assert.ThrowsExactly<AdapterRefusedException>(() => AdapterPackage.Load(Folder));
    }
}
