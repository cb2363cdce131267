using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using Google.Protobuf.Collections;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Slots that become constants: the patched graph with the adapter's values in place of its inputs.</summary>
[TestClass]
public sealed class SlotMergingRuleTests
{
    private const string Delta = "float[1, 1, 8] \"aligner.delta\" = {1, 2, 3, 4, 5, 6, 7, 8}";
    private const string Gate = "float[1, 1, 2] \"aligner.gate\" = {1, 2}";

    [TestMethod]
    public void OneToken_AddsTheAdaptersVector() => RuleTest.Rewrites(Decoders.Separate, Merge(SlotLayout.OneToken, Delta), Decoders.Separate
        .With("<float[8, 8] wq", $"<{Delta}, float[8, 8] wq").With("[residual] y = Add (x, o)", "sum = Add (o, \"aligner.delta\") y = Add (x, sum)"));

    // Three tokens: the number is the caller's choice, the same for keys and values.
    [TestMethod]
    public void ManyToken_TakesAnyNumberOfTokens()
    {
        OnnxModel model = OnnxText.Load(Decoders.Separate);
        Merge(SlotLayout.ManyToken, Tokens("key", 3), Tokens("value", 3), Gate)(model);
        CollectionAssert.AreEqual(OnnxText.Load(Decoders.Separate).Graph.Inputs.Select(input => input.Name).ToArray(), model.Graph.Inputs.Select(input => input.Name).ToArray());
    }

    [TestMethod]
    public void AMergedModel_SaysSo_AndTakesNoSlots()
    {
        OnnxModel model = OnnxText.Load(Decoders.Separate);
        Merge(SlotLayout.OneToken, Delta)(model);
        Assert.IsNull(SlotLayouts.Of(model));
        Assert.AreEqual(OneTokenInjection.Layout, model.Metadata(SlotMerging.MetadataKey));
        StringAssert.Contains(SlotLayouts.WhyNot(model, SlotLayout.OneToken), "An adapter is merged into the model");
    }

    [TestMethod]
    [DataRow("float[1, 1, 8] \"aligner.other\" = {1, 2, 3, 4, 5, 6, 7, 8}", "does not set the model's slots", DisplayName = "another name")]
    [DataRow("float[1, 1, 7] \"aligner.delta\" = {1, 2, 3, 4, 5, 6, 7}", "do not fit the model's slot", DisplayName = "another size")]
    [DataRow("float[1, 8] \"aligner.delta\" = {1, 2, 3, 4, 5, 6, 7, 8}", "do not fit the model's slot", DisplayName = "another rank")]
    [DataRow("float16[1, 1, 8] \"aligner.delta\" = {1, 2, 3, 4, 5, 6, 7, 8}", "do not fit the model's slot", DisplayName = "another type")]
    [DataRow("float[2, 1, 8] \"aligner.delta\" = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}", "do not fit the model's slot", DisplayName = "a batch of two")]
    public void AValueThatIsNotTheSlots_IsRefused(string value, string reason) => AssertRefused(reason, SlotLayout.OneToken, value);

    [TestMethod]
    public void KeysAndValuesOfDifferentNumbersOfTokens_AreRefused() => AssertRefused("do not fit the model's slot", SlotLayout.ManyToken, Tokens("key", 3), Tokens("value", 2), Gate);

    [TestMethod]
    public void ASlotWithoutAValue_IsRefused() => AssertRefused("does not set the model's slots", SlotLayout.ManyToken, Tokens("key", 3), Tokens("value", 3));

    [TestMethod]
    public void ABaseModel_IsRefused() =>
        StringAssert.Contains(Assert.ThrowsExactly<ModelRefusedException>(() => SlotMerging.Apply(OnnxText.Load(Decoders.Separate), Values(Delta))).What, "has no slots");

    [TestMethod]
    public void NoValues_AreTheCallersMistake() => Assert.ThrowsExactly<ArgumentNullException>(() => SlotMerging.Apply(OnnxText.Load(Decoders.Separate), null!));

    private static void AssertRefused(string reason, SlotLayout layout, params string[] values) =>
        StringAssert.Contains(Assert.ThrowsExactly<AdapterRefusedException>(() => Merge(layout, values)(OnnxText.Load(Decoders.Separate))).What, reason);

    private static string Tokens(string slot, int count) => $"float[1, 1, 1, {count}, 4] \"aligner.{slot}\" = {{{string.Join(", ", Enumerable.Range(1, 4 * count))}}}";

    private static Action<OnnxModel> Merge(SlotLayout layout, params string[] values) => model =>
    {
        SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), layout);
        SlotMerging.Apply(model, Values(values));
    };

    private static RepeatedField<TensorProto> Values(params string[] values) => OnnxText.Parse($"g () => () <{string.Join(", ", values)}> {{ }}").Graph.Initializer;
}
