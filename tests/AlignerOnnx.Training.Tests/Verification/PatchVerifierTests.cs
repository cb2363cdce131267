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

    /// <summary>What other exporters do otherwise: weights behind DequantizeLinear, token ids of 32 bits, angles of one row alone.</summary>
    [TestMethod]
    [DataRow("builder-0.18/llama3-int4-qdq-cpu", SlotLayout.OneToken)]
    [DataRow("builder-0.18/llama3-int4-qdq-cpu", SlotLayout.ManyToken)]
    [DataRow("genai_tiny-qwen35-cuda", SlotLayout.OneToken)]
    [DataRow("genai_tiny-qwen35-cuda", SlotLayout.Prefix)]
    [DataRow("other-exporters/dyn23-ref-llama3-gqa-rope-sdpa", SlotLayout.Portable)]
    [DataRow("other-exporters/dyn23-ref-llama3-gqa-rope-sdpa", SlotLayout.Prefix)]
    public void Verify_OfOtherExports_Passes(string export, SlotLayout layout)
    {
        PatchVerification found = new PatchVerifier(Patch(layout, Export(export)), against: null, Seed).Verify([]);
        Assert.IsTrue(found.BitwiseEqual);
        Assert.IsTrue(found.Passed, $"{found.MaxDifference} at {found.Where}");
        Assert.IsGreaterThan(found.Tolerance, found.Adapters.Min(each => each.Effect));
        Assert.AreEqual(layout != SlotLayout.Prefix, found.Adapters.Any(each => each.Against == "the form that is trained"));
    }

    [TestMethod]
    [DataRow("builder-0.18/qwen3-fp16-cuda", "ONNX Runtime cannot run the model", DisplayName = "an operator input that the CPU does not compute")]
    [DataRow("llama_export/llama_export_dynamic.onnx", "The model gives no logits", DisplayName = "no output head")]
    public void Verify_OfWhatCannotRun_IsRefused(string export, string reason)
    {
        string patched = Patch(SlotLayout.OneToken, Export(export));
        Assert.AreEqual(reason, Assert.ThrowsExactly<ModelRefusedException>(() => new PatchVerifier(patched, against: null, Seed).Verify([])).What);
    }

    [TestMethod]
    public void Verify_AgainstAnotherModel_IsRefused()
    {
        string patched = Patch(SlotLayout.OneToken);
        Assert.AreEqual("The patched model was made from another base model",
            Assert.ThrowsExactly<ModelRefusedException>(() => new PatchVerifier(patched, Export("reference-models/ref-qwen2"), Seed)).What);
    }

    [TestMethod]
    public void Verify_OnAGpuThatIsNotThere_IsRefusedWithWhatToDo()
    {
        string patched = Patch(SlotLayout.OneToken);
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => new PatchVerifier(patched, against: null, Seed, ComputeDevice.Cuda).Verify([]));
        StringAssert.Contains(refusal.Message, "UseGpuPackage");
    }

    [TestMethod]
    public void Verify_OfUnpatchedModel_IsRefused() => Assert.ThrowsExactly<ModelRefusedException>(() => new PatchVerifier(Material.Pocket(), against: null, Seed));

    private static string Export(string name) => Material.Shared(["exports", .. name.Split('/')]);

    private string Patch(SlotLayout layout, string? model = null)
    {
        string patched = Path.Combine(_root, "patched");
        ModelPatcher.Patch(model ?? Material.Pocket(), patched, WeightCopy.Copy, layout);
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
