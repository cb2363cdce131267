using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Golden;

/// <summary>Logits, loss and gradients of the built graphs against the independent PyTorch reference, within the tolerance that each case states.</summary>
[TestClass]
public sealed class GoldenGradientTests
{
    /// <summary>The weights of reference models as other exporters and targets write them.</summary>
    private static readonly (string Export, string Model)[] OtherExports =
    [
        ("other-exporters/dyn18-ref-llama3-gqa-rope-eager", "ref-llama3-gqa-rope"), ("other-exporters/dyn23-ref-llama3-gqa-rope-sdpa", "ref-llama3-gqa-rope"),
        ("other-exporters/optimum-ref-llama3-gqa-rope", "ref-llama3-gqa-rope"), ("other-exporters/old083-ref-llama2-mha-fp32-cpu", "ref-llama2-mha"),
        ("builder-0.18/llama3-hidden-fp32", "ref-llama3-gqa-rope"),
    ];

    public static IEnumerable<object[]> OtherCases => Material.HasShared
        ? OtherExports.SelectMany(pair => GoldenCase.Names(pair.Model).Select(name => new object[] { pair.Export, pair.Model, name }))
        : [["(none)", "(none)", "(none)"]];

    public static IEnumerable<object[]> Cases => GoldenCase.All;

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Gradient_OfGoldenCase_EqualsReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        AssertGradient(golden, GoldenCase.LoadModel(model, name));
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Logits_OfGoldenCase_EqualReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        using GraphRunner runner = new(Build(GoldenCase.LoadModel(model, name), TrainingGraphKind.Logits, golden));
        Closeness.AssertLogits(golden, runner.Run(golden)["logits"]);
    }

    [TestMethod]
    [DynamicData(nameof(OtherCases))]
    public void Gradient_OfOtherExport_EqualsReference(string export, string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        AssertGradient(golden, ModelLoader.Load(Material.Shared(["exports", .. export.Split('/')])));
    }

    private static void AssertGradient(GoldenCase golden, OnnxModel model)
    {
        using GraphRunner runner = new(Build(model, TrainingGraphKind.Gradient, golden));
        IReadOnlyDictionary<string, float[]> results = runner.Run(golden);
        Assert.AreEqual(golden.Scalar("loss"), results["loss"][0], golden.Tolerance("loss"), "loss");
        Closeness.AssertClose(golden.Singles("grad_tokens"), results["aligner.tokens_gradient"], golden.Tolerance("grad_tokens"), "gradient of the tokens");
        if (golden.IsGated)
        {
            Closeness.AssertClose(golden.Singles("grad_gates"), results["aligner.gates_gradient"], golden.Tolerance("grad_gates"), "gradient of the gates");
        }
    }

    private static OnnxModel Build(OnnxModel model, TrainingGraphKind kind, GoldenCase golden) =>
        TrainingGraph.Build(model, kind, golden.StartLayer, golden.Tokens, new TrainingGraphOptions { Attention = golden.IsGated ? AttentionReading.Gated : AttentionReading.Concat });
}
