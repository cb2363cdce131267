using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Blending;

/// <summary>Blends that are exact, by the literal method and by the folded vectors; all others are refused with the reason.</summary>
[TestClass]
public sealed class AdapterBlendTests
{
    private static readonly string Model = Material.Pocket("model-fp32");
    private static readonly IReadOnlyList<AttentionSite> Sites = RecognisedModel.Of(ModelLoader.Load(Model)).RequireSites();

    private string _root = "";

    [TestInitialize]
    public void MakeFolder() => _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    private string Output => Path.Combine(_root, "out");

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Scaled_InTheLiteralForm_AddsTheScaledPart(int tokens)
    {
        Adapter adapter = RandomAdapter.For(Sites, tokens, seed: 5);
        Assert.AreEqual(BlendForm.Package, AdapterBlend.Blend([new BlendPart(Save(adapter, "one"), -0.5)], null, Output));
        // A layer's part is linear in its value: halving the projection of values and turning its sign is another way to the same scale.
        float[] expected = Logits(SlotLayout.ManyToken, [.. AdapterCompiler.Parameters(adapter, Sites, SlotLayout.ManyToken).Select(slot => slot.Name == ManyTokenInjection.Values ? Scaled(slot, -0.5f) : slot)]);
        float[] blended = Logits(SlotLayout.Portable, AdapterCompiler.Parameters(AdapterPackage.Load(Output), Sites, SlotLayout.Portable));
        // float32 sums in another order.
        Closeness.AssertClose(expected, blended, 1e-4, "the scaled adapter");
    }

    [TestMethod]
    public void OneTokenAdapters_ThroughAModel_AreTheSumOfTheirVectors()
    {
        (Adapter one, Adapter two) = (RandomAdapter.For(Sites, 1, seed: 6), RandomAdapter.For(Sites, 1, seed: 7, startLayer: 3));
        Assert.AreEqual(BlendForm.Compiled, AdapterBlend.Blend([new BlendPart(Save(one, "one"), 0.7), new BlendPart(Save(two, "two"), -0.3)], Model, Output));
        float[] expected = [.. Fold(one).Zip(Fold(two), (a, b) => (float)((0.7 * a) + (-0.3 * b)))];
        AdapterParameter found = OnnxAdapterFile.Read(Output).Single();
        CollectionAssert.AreEqual(new long[] { 1, Sites.Count, Sites[0].HiddenSize }, found.Shape.ToArray());
        CollectionAssert.AreEqual(expected, Singles(found));
    }

    [TestMethod]
    public void CompiledAndFolder_ThroughAModel_AreTheSameSum()
    {
        (Adapter one, Adapter two) = (RandomAdapter.For(Sites, 1, seed: 6), RandomAdapter.For(Sites, 1, seed: 7));
        string compiled = Path.Combine(_root, "two.onnx_adapter");
        AdapterCompiler.Compile(two, Model, compiled);
        AdapterBlend.Blend([new BlendPart(Save(one, "one")), new BlendPart(compiled, 2)], Model, Output);
        CollectionAssert.AreEqual(Fold(one).Zip(Fold(two), (a, b) => (float)(a + (2.0 * b))).ToArray(), Singles(OnnxAdapterFile.Read(Output).Single()));
    }

    [TestMethod]
    public void AdaptersOfTheSameTokens_AreOneAdapterWithTheSumOfTheirGates()
    {
        Adapter one = RandomAdapter.For(Sites, 3, seed: 8);
        Adapter two = one with { Gates = one.Gates.ToArray().Reverse().ToArray() };
        AdapterBlend.Blend([new BlendPart(Save(one, "one"), 2), new BlendPart(Save(two, "two"))], null, Output);
        Adapter blend = AdapterPackage.Load(Output);
        CollectionAssert.AreEqual(one.Tokens.ToArray(), blend.Tokens.ToArray());
        CollectionAssert.AreEqual(one.Gates.ToArray().Zip(two.Gates.ToArray(), (a, b) => (float)((2.0 * a) + b)).ToArray(), blend.Gates.ToArray());
        Assert.AreEqual("blend: 2 x one + 1 x two", blend.Config.Training!.Recipe);
    }

    [TestMethod]
    [DataRow(1, null, "--model", DisplayName = "One token each: only their vectors have a sum")]
    [DataRow(3, null, "softmax", DisplayName = "Several tokens: two softmaxes are not one")]
    [DataRow(3, "model-fp32", "softmax", DisplayName = "Several tokens, through a model")]
    public void AdaptersWithTokensOfTheirOwn_AreRefusedWhereTheSumWouldNotBeExact(int tokens, string? model, string reason) =>
        AssertRefused<AdapterRefusedException>(reason, model is null ? null : Material.Pocket(model), new(Save(RandomAdapter.For(Sites, tokens, seed: 1), "one")), new(Save(RandomAdapter.For(Sites, tokens, seed: 2), "two")));

    [TestMethod]
    public void ConcatAdapter_IsRefused() => AssertRefused<AdapterRefusedException>("concat", null, new BlendPart(Save(RandomAdapter.For(Sites, 2, seed: 1, concat: true), "one"), 0.5));

    [TestMethod]
    public void MissingAdapter_IsRefused() => AssertRefused<AdapterRefusedException>("does not exist", null, new BlendPart(Path.Combine(_root, "none")));

    [TestMethod]
    public void AdapterOfOtherWeights_ThroughAModel_IsRefused()
    {
        Adapter other = RandomAdapter.For(Sites, 1, seed: 1);
        AssertRefused<AdapterRefusedException>("--any-base", Model, new BlendPart(Save(other with { Config = other.Config with { BaseFingerprint = "other" } }, "one")));
    }

    [TestMethod]
    public void FolderBesideCompiled_WithoutAModel_IsRefused()
    {
        string compiled = Path.Combine(_root, "two.onnx_adapter");
        AdapterCompiler.Compile(RandomAdapter.For(Sites, 1, seed: 2), Model, compiled);
        AssertRefused<AdapterRefusedException>("--model", null, new(compiled), new(Save(RandomAdapter.For(Sites, 1, seed: 1), "one")));
    }

    [TestMethod]
    public void ScaleBeyondTheRangeOfNumbers_IsRefused() => AssertRefused<AdapterRefusedException>("smaller scales", null, new BlendPart(Save(RandomAdapter.For(Sites, 1, seed: 1), "one"), 1e300));

    [TestMethod]
    public void ModelWithOtherSlots_IsRefused()
    {
        string patched = Path.Combine(_root, "patched");
        ModelPatcher.Patch(Model, patched, layout: SlotLayout.ManyToken);
        AssertRefused<ModelRefusedException>("one-token", patched, new BlendPart(Save(RandomAdapter.For(Sites, 1, seed: 1), "one")));
    }

    [TestMethod]
    [DataRow("json", "json", 1.0)]
    [DataRow("json:0.5", "json", 0.5)]
    [DataRow("a/json:-1e-1", "a/json", -0.1)]
    [DataRow("C:\\adapters\\json", "C:\\adapters\\json", 1.0)]
    [DataRow("json:NaN", "json:NaN", 1.0)]
    [DataRow(":2", ":2", 1.0)]
    public void Part_IsAPathAndAScale(string text, string path, double scale) => Assert.AreEqual(new BlendPart(path, scale), BlendPart.Parse(text));

    private void AssertRefused<T>(string reason, string? model, params IReadOnlyList<BlendPart> parts)
        where T : RefusedException
    {
        Assert.Contains(reason, Assert.ThrowsExactly<T>(() => AdapterBlend.Blend(parts, model, Output)).Message);
        Assert.IsFalse(Path.Exists(Output));
    }

    private string Save(Adapter adapter, string name)
    {
        string folder = Path.Combine(_root, name);
        AdapterPackage.Save(adapter, folder);
        return folder;
    }

    private static float[] Fold(Adapter adapter) => OneTokenFolding.Fold(Sites, adapter.Config.StartLayer, adapter.Tokens, adapter.Gates);

    private static float[] Singles(AdapterParameter parameter) => MemoryMarshal.Cast<byte, float>(parameter.Data.Span).ToArray();

    private static AdapterParameter Scaled(AdapterParameter slot, float scale) => slot with { Data = MemoryMarshal.AsBytes<float>(Array.ConvertAll(Singles(slot), number => scale * number)).ToArray() };

    private static float[] Logits(SlotLayout layout, IReadOnlyList<AdapterParameter> slots)
    {
        OnnxModel model = ModelLoader.Load(Model);
        SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), layout);
        using DecoderRunner runner = new(model, Sites[0].HeadSize, 0, [.. slots.Select(slot => (slot.Name, Singles(slot), slot.Shape.ToArray()))]);
        return runner.Run([.. Enumerable.Range(0, 9).Select(i => 3L + (i * 11 % 29))], 1).Logits;
    }
}
