using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;
using Onnx;

namespace AlignerOnnx.Training.Tests.Verification;

/// <summary>Verification passes sound patches of every layout, and finds what is wrong with others.</summary>
[TestClass]
public sealed class PatchVerifierTests
{
    private const ulong Seed = 5;

    private readonly string _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_root, recursive: true);

    [TestMethod]
    [DataRow(SlotLayout.OneToken, "many-token,portable,the form that is trained,itself token by token")]
    [DataRow(SlotLayout.ManyToken, "one-token,portable,the form that is trained,itself token by token,portable,the form that is trained,itself token by token")]
    [DataRow(SlotLayout.Portable, "one-token,many-token,the form that is trained,itself token by token,many-token,the form that is trained,itself token by token")]
    [DataRow(SlotLayout.Prefix, "rows further down the table,itself token by token")]
    public void Verify_OfSoundPatch_PassesInEveryComparison(SlotLayout layout, string comparisons)
    {
        string patched = Patch(layout);
        PatchVerification found = new PatchVerifier(patched, against: null, Seed).Verify([]);
        Assert.IsTrue(found.BitwiseEqual);
        Assert.IsTrue(found.Passed, $"{found.MaxDifference} at {found.Where}");
        Assert.AreEqual(Path.Combine(Material.Pocket(), "model.onnx"), found.Base);
        Assert.AreEqual(comparisons, string.Join(',', found.Adapters.Select(each => each.Against)));
        // What is compared must be something: the adapters change logits by far more than what may differ.
        Assert.IsGreaterThan(50 * found.Tolerance, found.Adapters.Min(each => each.Effect));
    }

    [TestMethod]
    public void Verify_WithoutTheBase_ComparesWithThePatchedModelWithoutItsSlots()
    {
        string patched = Patch(SlotLayout.ManyToken);
        File.Delete(Path.Combine(patched, ModelPatcher.FactsFile));
        PatchVerification found = new PatchVerifier(patched, against: null, Seed).Verify([]);
        Assert.IsNull(found.Base);
        Assert.IsTrue(found.Passed, found.Where);
    }

    [TestMethod]
    public void Verify_OfSlotThatIsNotNeutral_FindsTheBaseChanged()
    {
        string patched = Patch(SlotLayout.OneToken);
        Change(patched, graph => graph.Initializer.Single(initializer => initializer.Name == OneTokenInjection.Slot), data => data[3] = 0x3C);
        PatchVerification found = new PatchVerifier(patched, against: null, Seed).Verify([]);
        Assert.IsFalse(found.BitwiseEqual);
        Assert.IsFalse(found.Passed);
    }

    [TestMethod]
    public void Verify_OfBranchWithAnotherScale_FindsTheDifference()
    {
        string patched = Patch(SlotLayout.ManyToken);
        // The scale of scores is the only float constant of the patch: another exponent makes it another number.
        Change(patched, graph => graph.Initializer.Single(initializer => initializer.Name.StartsWith("aligner.constant.Float.", StringComparison.Ordinal)), data => data[3] ^= 0x01);
        PatchVerification found = new PatchVerifier(patched, against: null, Seed).Verify([]);
        Assert.IsTrue(found.BitwiseEqual);
        Assert.IsFalse(found.Passed);
    }

    [TestMethod]
    public void Verify_OfUnpatchedModel_IsRefused() => Assert.ThrowsExactly<ModelRefusedException>(() => new PatchVerifier(Material.Pocket(), against: null, Seed));

    private string Patch(SlotLayout layout)
    {
        string patched = Path.Combine(_root, "patched");
        ModelPatcher.Patch(Material.Pocket(), patched, WeightCopy.Copy, layout);
        return patched;
    }

    private static void Change(string patched, Func<GraphProto, TensorProto> find, Action<byte[]> change)
    {
        string file = Path.Combine(patched, "model.onnx");
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(file));
        TensorProto tensor = find(model.Graph);
        byte[] data = tensor.RawData.ToByteArray();
        change(data);
        tensor.RawData = Google.Protobuf.ByteString.CopyFrom(data);
        File.WriteAllBytes(file, Google.Protobuf.MessageExtensions.ToByteArray(model));
    }
}
