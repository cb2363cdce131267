using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Golden;

/// <summary>Logits, loss and gradients of the built graphs against the independent PyTorch reference, within the tolerance that each case states.</summary>
[TestClass]
public sealed class GoldenGradientTests
{
    private static readonly string[] Models =
        ["ref-llama2-mha", "ref-llama3-gqa-rope", "ref-llama2-mha-int4-cpu", "ref-llama3-gqa-rope-int4-cpu", "SmolLM2-135M-Instruct-int4"];

    public static IEnumerable<object[]> Cases => Material.HasShared
        ? Models.SelectMany(model => GoldenCase.Names(model, "gated-").Select(name => new object[] { model, name }))
        : [["(none)", "(none)"]];

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Gradient_OfGoldenCase_EqualsReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        OnnxModel graph = TrainingGraph.Build(ModelLoader.Load(GoldenCase.ModelFolder(model)), TrainingGraphKind.Gradient, golden.StartLayer, golden.Tokens);
        using GraphRunner runner = new(graph);
        IReadOnlyDictionary<string, float[]> results = runner.Run(golden, golden.Singles("tokens"), golden.Singles("gates"));
        Assert.AreEqual(golden.Scalar("loss"), results["loss"][0], golden.Tolerance("loss"), "loss");
        Closeness.AssertClose(golden.Singles("grad_tokens"), results["aligner.tokens_gradient"], golden.Tolerance("grad_tokens"), "gradient of the tokens");
        Closeness.AssertClose(golden.Singles("grad_gates"), results["aligner.gates_gradient"], golden.Tolerance("grad_gates"), "gradient of the gates");
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Logits_OfGoldenCase_EqualReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        OnnxModel graph = TrainingGraph.Build(ModelLoader.Load(GoldenCase.ModelFolder(model)), TrainingGraphKind.Logits, golden.StartLayer, golden.Tokens);
        using GraphRunner runner = new(graph);
        float[] logits = runner.Run(golden, golden.Singles("tokens"), golden.Singles("gates"))["logits"];
        Closeness.AssertLogits(golden, logits);
    }
}
