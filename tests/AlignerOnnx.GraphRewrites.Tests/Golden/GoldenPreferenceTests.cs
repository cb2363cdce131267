using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Golden;

/// <summary>Loss, rewards and gradients of direct preference optimization against the independent PyTorch reference, with the base and with an adapter as reference.</summary>
[TestClass]
public sealed class GoldenPreferenceTests
{
    public static IEnumerable<object[]> Cases => Material.HasShared
        ? GoldenCase.All.Where(data => GoldenCase.Load((string)data[0], (string)data[1]).Has("dpo.chosen_input_ids"))
        : [["(none)", "(none)"]];

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Preference_OfGoldenCase_EqualsReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        using GraphRunner runner = new(TrainingGraph.Build(
            GoldenCase.LoadModel(model, name), TrainingGraphKind.Gradient, golden.StartLayer, golden.Tokens, new TrainingGraphOptions { Preference = new PreferenceLossOptions() }));
        PairBatch pairs = PairBatch.Of(golden);
        foreach (string reference in new[] { "ref_base", "ref_adapter" })
        {
            IReadOnlyDictionary<string, float[]> results = runner.Run([
                .. pairs.Inputs(PairBatch.References(golden, reference)),
                ("aligner.tokens", golden.Singles("tokens"), golden.Shape("tokens")), ("aligner.gates", golden.Singles("gates"), golden.Shape("gates"))]);
            string prefix = $"dpo.{reference}.";
            Assert.AreEqual(golden.Scalar($"{prefix}loss"), results["loss"][0], golden.Tolerance($"{prefix}loss"), $"{reference}: loss");
            Closeness.AssertClose(PairBatch.Rewards(golden, reference), results["rewards"], golden.Tolerance($"{prefix}rewards_chosen") + golden.Tolerance($"{prefix}rewards_rejected"), $"{reference}: rewards");
            Closeness.AssertClose(golden.Singles($"{prefix}grad_tokens"), results["aligner.tokens_gradient"], golden.Tolerance($"{prefix}grad_tokens"), $"{reference}: gradient of the tokens");
            Closeness.AssertClose(golden.Singles($"{prefix}grad_gates"), results["aligner.gates_gradient"], golden.Tolerance($"{prefix}grad_gates"), $"{reference}: gradient of the gates");
        }
    }
}
