using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Patching;

/// <summary>Patched models in ONNX Runtime: without an adapter the base bit for bit, with a folded adapter the reference.</summary>
[TestClass]
public sealed class PatchedModelTests
{
    private static readonly string[] Models =
        ["ref-llama2-mha", "ref-llama3-gqa-rope", "ref-llama2-mha-int4-cpu", "ref-llama3-gqa-rope-int4-cpu", "SmolLM2-135M-Instruct-int4"];

    public static IEnumerable<object[]> OneTokenCases => Material.HasShared
        ? Models.SelectMany(model => GoldenCase.Names(model, "gated-n1-").Select(name => new object[] { model, name }))
        : [["(none)", "(none)"]];

    [TestMethod]
    public void Logits_WithoutAdapter_AreThoseOfTheBaseBitForBit()
    {
        OnnxModel model = ModelLoader.Load(Material.Pocket());
        long[] ids = [.. Enumerable.Range(0, 24).Select(i => (long)((i * 37) % 1024))];
        float[] expected = Run(model, ids, null);
        OnnxModel patched = model.Clone();
        SlotLayouts.Apply(patched, RecognisedModel.Of(patched).RequireSites(), SlotLayout.OneToken);
        float[] actual = Run(patched, ids, null);
        CollectionAssert.AreEqual(Array.ConvertAll(expected, BitConverter.SingleToInt32Bits), Array.ConvertAll(actual, BitConverter.SingleToInt32Bits));
    }

    [TestMethod]
    [DynamicData(nameof(OneTokenCases))]
    public void Logits_WithFoldedAdapter_EqualReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        OnnxModel patched = ModelLoader.Load(GoldenCase.ModelFolder(model));
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(patched).RequireSites();
        float[] delta = OneTokenFolding.Fold(sites, golden.StartLayer, golden.Singles("tokens"), golden.Singles("gates"));
        SlotLayouts.Apply(patched, sites, SlotLayout.OneToken);
        UseFloatActivations(patched);
        float[] logits = Run(patched, golden.Int64s("input_ids"), delta, golden.Shape("input_ids"), golden.Int64s("attention_mask"));
        Closeness.AssertLogits(golden, logits);
    }

    [TestMethod]
    public void Patch_OfFolder_MakesACompleteFolderAndLeavesTheInputAlone()
    {
        string root = Material.NewTemporaryFolder();
        try
        {
            string destination = Path.Combine(root, "patched");
            PatchFacts facts = ModelPatcher.Patch(Material.Pocket(), destination);
            Assert.AreEqual("one-token", facts.Layout);
            string[] expected = [.. Directory.GetFiles(Material.Pocket()).Select(file => Path.GetFileName(file)!).Append(ModelPatcher.FactsFile).Order(StringComparer.Ordinal)];
            CollectionAssert.AreEqual(expected, Directory.GetFiles(destination).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal).ToArray());
            OnnxModel patched = ModelLoader.Load(destination);
            Assert.IsTrue(patched.Graph.Find("aligner.delta") is { IsGraphInput: true, Initializer: not null });
            Assert.AreEqual(
                BaseFingerprint.Of(RecognisedModel.Of(ModelLoader.Load(Material.Pocket())).RequireSites(), 0),
                BaseFingerprint.Of(RecognisedModel.Of(SlotLayouts.WithoutSlots(patched)).RequireSites(), 0));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [TestMethod]
    public void Patch_OfPatchedModel_IsRefused()
    {
        OnnxModel model = ModelLoader.Load(Material.Pocket());
        SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), SlotLayout.OneToken);
        Assert.ThrowsExactly<ModelRefusedException>(() => SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), SlotLayout.OneToken));
    }

    [TestMethod]
    public void Patch_OfGpt2_IsRefusedWithTheReasonAndLeavesNothing()
    {
        string model = Material.Shared("exports", "genai_tiny-random-gpt2-fp32", "past.onnx");
        string root = Material.NewTemporaryFolder();
        try
        {
            string destination = Path.Combine(root, "patched");
            ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => ModelPatcher.Patch(model, destination));
            Assert.IsNotNull(refusal.Remedy);
            Assert.IsEmpty(Directory.GetFileSystemEntries(root));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static void UseFloatActivations(OnnxModel model)
    {
        foreach (Node node in model.Graph.Nodes.Where(node => node.OpType == "MatMulNBits"))
        {
            node.Attributes.Set(NodeAttributes.Of("accuracy_level", 1L));
        }
    }

    private static float[] Run(OnnxModel model, long[] ids, float[]? delta, long[]? shape = null, long[]? mask = null)
    {
        shape ??= [1, ids.Length];
        List<(string, Array, long[])> inputs =
        [
            ("input_ids", ids, shape),
            ("attention_mask", mask ?? [.. ids.Select(_ => 1L)], shape),
        ];
        foreach (Value past in model.Graph.Inputs.Where(input => input.Name.StartsWith("past_key_values", StringComparison.Ordinal)))
        {
            AttentionSite site = RecognisedModel.Of(model).RequireSites()[0];
            inputs.Add((past.Name, Array.Empty<float>(), [shape[0], site.KeyValueHeads, 0, site.HeadSize]));
        }
        using GraphRunner runner = new(model, delta is null ? [] : [("aligner.delta", delta, DeltaShape(model))]);
        return runner.Run(inputs)["logits"];
    }

    private static long[] DeltaShape(OnnxModel model) => [.. model.Graph.Find("aligner.delta")!.Initializer!.Shape];
}
