using System.Runtime.InteropServices;
using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Merging;

/// <summary>A model with an adapter merged in is the patched model with that adapter, bit for bit, and has no slots.</summary>
[TestClass]
public sealed class ModelMergerTests
{
    private const int Length = 7;

    private string _root = "";

    [TestInitialize]
    public void MakeFolder() => _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    private string Merged => Path.Combine(_root, "merged");

    [TestMethod]
    [DataRow("model-int4", 1, null)]
    [DataRow("model-int4", 3, null)]
    [DataRow("model-fp32", 1, null)]
    [DataRow("model-fp32", 3, null)]
    [DataRow("model-fp32", 3, SlotLayout.Portable)]
    [DataRow("model-int4", 1, SlotLayout.ManyToken)]
    public void Merge_OfAnAdapter_IsThePatchedModelWithItBitForBit(string form, int tokens, SlotLayout? patchedWith)
    {
        IReadOnlyList<AttentionSite> sites = Sites(form);
        Adapter adapter = RandomAdapter.For(sites, tokens, seed: 21);
        string source = patchedWith is { } given ? Patched(form, given) : Material.Pocket(form);
        MergeFacts facts = ModelMerger.Merge(source, Save(adapter), Merged);
        SlotLayout layout = patchedWith ?? AdapterCompiler.LayoutFor(adapter.Config);
        Assert.AreEqual(SlotLayouts.NameOf(layout), facts.Layout);

        OnnxModel patched = ModelLoader.Load(Material.Pocket(form));
        SlotLayouts.Apply(patched, RecognisedModel.Of(patched).RequireSites(), layout);
        OnnxModel merged = ModelLoader.Load(Merged);
        Assert.IsEmpty(SlotDocument.Of(merged));
        CollectionAssert.AreEqual(ModelLoader.Load(Material.Pocket(form)).Graph.Inputs.Select(input => input.Name).ToArray(), merged.Graph.Inputs.Select(input => input.Name).ToArray());
        using DecoderRunner expected = new(patched, sites[0].HeadSize, 0, [.. AdapterCompiler.Parameters(adapter, sites, layout).Select(slot => (slot.Name, MemoryMarshal.Cast<byte, float>(slot.Data.Span).ToArray(), slot.Shape.ToArray()))]);
        using DecoderRunner found = new(merged, sites[0].HeadSize);
        foreach (int rows in new[] { 1, 3 })
        {
            AssertSameRun(expected, found, rows);
        }
        using DecoderRunner original = new(ModelLoader.Load(Material.Pocket(form)), sites[0].HeadSize);
        CollectionAssert.AreNotEqual(original.Run(Ids(1), 1).Logits, found.Run(Ids(1), 1).Logits, "the adapter has an effect");
    }

    [TestMethod]
    public void Merge_OfACompiledBlend_IsThePatchedModelWithItBitForBit()
    {
        IReadOnlyList<AttentionSite> sites = Sites("model-int4");
        string blend = Path.Combine(_root, "blend.onnx_adapter");
        AdapterBlend.Blend([new BlendPart(Save(RandomAdapter.For(sites, 1, seed: 3)), 0.5), new BlendPart(Save(RandomAdapter.For(sites, 1, seed: 4), "two"))], Material.Pocket(), blend);
        ModelMerger.Merge(Material.Pocket(), blend, Merged);
        OnnxModel patched = ModelLoader.Load(Patched("model-int4", SlotLayout.OneToken));
        AdapterParameter delta = OnnxAdapterFile.Read(blend).Single();
        using DecoderRunner expected = new(patched, sites[0].HeadSize, 0, (delta.Name, MemoryMarshal.Cast<byte, float>(delta.Data.Span).ToArray(), delta.Shape.ToArray()));
        using DecoderRunner found = new(ModelLoader.Load(Merged), sites[0].HeadSize);
        AssertSameRun(expected, found, 1);
    }

    [TestMethod]
    public void Merge_SaysWhatItDidAndIsNotPatchedAgain()
    {
        Adapter adapter = RandomAdapter.For(Sites("model-int4"), 1, seed: 21);
        MergeFacts facts = ModelMerger.Merge(Material.Pocket(), Save(adapter), Merged);
        JsonElement document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Merged, ModelPatcher.FactsFile))).RootElement;
        Assert.AreEqual("adapter", document.GetProperty("merged").GetProperty("adapter").GetString());
        Assert.AreEqual(facts.AdapterSha256, document.GetProperty("merged").GetProperty("adapter_sha256").GetString());
        Assert.AreEqual(1, document.GetProperty("merged").GetProperty("start_layer").GetInt32());
        Assert.AreEqual("one-token", ModelLoader.Load(Merged).Metadata(SlotMerging.MetadataKey));
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => ModelPatcher.Patch(Merged, Path.Combine(_root, "again")));
        Assert.Contains("merged", refusal.What);
    }

    [TestMethod]
    public void Merge_OfAConcatAdapter_IsRefusedAndLeavesNothing()
    {
        AdapterRefusedException refusal = Assert.ThrowsExactly<AdapterRefusedException>(() => ModelMerger.Merge(Material.Pocket(), Save(RandomAdapter.For(Sites("model-int4"), 2, seed: 1, concat: true)), Merged));
        Assert.Contains("cache", refusal.Found!);
        Assert.IsFalse(Path.Exists(Merged));
    }

    [TestMethod]
    public void Merge_OfACompiledAdapterForOtherSlots_IsRefused()
    {
        string compiled = Path.Combine(_root, "many.onnx_adapter");
        IReadOnlyList<AttentionSite> sites = Sites("model-int4");
        AdapterCompiler.Compile(RandomAdapter.For(sites, 3, seed: 1), Material.Pocket(), compiled);
        Assert.ThrowsExactly<AdapterRefusedException>(() => ModelMerger.Merge(Patched("model-int4", SlotLayout.OneToken), compiled, Merged));
        IReadOnlyList<AdapterParameter> values = OnnxAdapterFile.Read(compiled);
        foreach (AdapterParameter[] damaged in new AdapterParameter[][]
        {
            [.. values.Take(2)], [values[0] with { Shape = [1, sites.Count, sites[0].KeyValueHeads, 1, 3 * sites[0].HeadSize] }, values[1], values[2]],
            [values[0] with { Shape = [3, sites.Count, sites[0].KeyValueHeads, 1, sites[0].HeadSize] }, values[1], values[2]],
        })
        {
            File.WriteAllBytes(compiled, OnnxAdapterFile.ToBytes(damaged));
            Assert.ThrowsExactly<AdapterRefusedException>(() => ModelMerger.Merge(Material.Pocket(), compiled, Merged));
        }
        Assert.IsFalse(Path.Exists(Merged));
    }

    private static void AssertSameRun(DecoderRunner expected, DecoderRunner found, int rows)
    {
        (DecoderRunner.Step a, DecoderRunner.Step b) = (expected.Run(Ids(rows), rows), found.Run(Ids(rows), rows));
        AssertSame(a, b, $"{rows} rows, prompt");
        (a, b) = (expected.Run([.. Enumerable.Repeat(5L, rows)], rows, behind: a), found.Run([.. Enumerable.Repeat(5L, rows)], rows, behind: b));
        AssertSame(a, b, $"{rows} rows, step");
    }

    private static void AssertSame(DecoderRunner.Step expected, DecoderRunner.Step found, string where) =>
        CollectionAssert.AreEqual(Array.ConvertAll(expected.Logits, BitConverter.SingleToInt32Bits), Array.ConvertAll(found.Logits, BitConverter.SingleToInt32Bits), where);

    private static long[] Ids(int rows) => [.. Enumerable.Range(0, rows * Length).Select(i => 3L + (i * 7 % 11))];

    private static IReadOnlyList<AttentionSite> Sites(string form) => RecognisedModel.Of(ModelLoader.Load(Material.Pocket(form))).RequireSites();

    private string Patched(string form, SlotLayout layout)
    {
        string folder = Path.Combine(_root, "patched");
        ModelPatcher.Patch(Material.Pocket(form), folder, layout: layout);
        return folder;
    }

    private string Save(Adapter adapter, string name = "adapter")
    {
        string folder = Path.Combine(_root, name);
        AdapterPackage.Save(adapter, folder);
        return folder;
    }
}
