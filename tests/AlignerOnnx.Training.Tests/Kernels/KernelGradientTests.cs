using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;
using AlignerOnnx.Training.Tests.Golden;

namespace AlignerOnnx.Training.Tests.Kernels;

/// <summary>Gradients by kernels of our own and with the vocabulary in pieces: against ONNX Runtime's operators, and against the independent PyTorch reference.</summary>
[TestClass]
public sealed class KernelGradientTests
{
    /// <summary>Small enough that the vocabularies of all test models are cut, the last piece shorter than the others.</summary>
    private const int Piece = 60;

    private static readonly string[] Models = ["ref-llama2-mha-int4-cpu", "ref-llama3-gqa-rope-int4-cpu", "ref-qwen2", "ref-qwen3", "ref-phi3", "ref-gemma2"];

    public static IEnumerable<object[]> Cases => Material.HasShared
        ? Models.SelectMany(model => GoldenCase.Names(model, "gated-").Where(name => !name.EndsWith("-nosoftcap", StringComparison.Ordinal)).Select(name => new object[] { model, name }))
        : [["(none)", "(none)"]];

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Gradient_OfGoldenCase_EqualsReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        GradientResult result = Compute(golden, GoldenCase.ModelFolder(model), new TrainingGraphOptions { Runtime = TrainingRuntime.AlignerKernels, VocabularyPiece = Piece });
        Assert.AreEqual(golden.Scalar("loss"), result.Loss, golden.Tolerance("loss"), "loss");
        Closeness.AssertClose(golden.Singles("grad_tokens"), result.TokenGradient, golden.Tolerance("grad_tokens"), "gradient of the tokens");
        Closeness.AssertClose(golden.Singles("grad_gates"), result.GateGradient, golden.Tolerance("grad_gates"), "gradient of the gates");
    }

    /// <summary>There is no golden case of 8-bit weights; those of the float32 model give the batch and the values.</summary>
    [TestMethod]
    public void Gradient_Of8BitWeights_EqualsThatOfOperators()
    {
        const string Model = "ref-llama3-gqa-rope";
        GoldenCase golden = GoldenCase.Load(Model, GoldenCase.Names(Model, "gated-").First());
        string folder = Material.Shared("exports", "builder-0.18", "llama3-int8-cpu");
        GradientResult expected = Compute(golden, folder, new TrainingGraphOptions());
        GradientResult actual = Compute(golden, folder, new TrainingGraphOptions { Runtime = TrainingRuntime.AlignerKernels, VocabularyPiece = Piece });
        Assert.AreEqual(expected.Loss, actual.Loss, 1e-5);
        Closeness.AssertClose(expected.TokenGradient, actual.TokenGradient, 1e-5, "tokens");
        Closeness.AssertClose(expected.GateGradient, actual.GateGradient, 1e-5, "gates");
    }

    [TestMethod]
    [DataRow("model-int4", 1)]
    [DataRow("model-int4", 3)]
    [DataRow("model-fp32", 3)]
    public void Gradient_OfEmbeddedModel_EqualsThatOfOperators(string folder, int tokens)
    {
        GradientResult expected = Compute(folder, tokens, new TrainingGraphOptions());
        GradientResult actual = Compute(folder, tokens, new TrainingGraphOptions { Runtime = TrainingRuntime.AlignerKernels, VocabularyPiece = Piece });
        // Other orders of the same sums in float32.
        Assert.AreEqual(expected.Loss, actual.Loss, 1e-5);
        Closeness.AssertClose(expected.TargetLogProbabilities, actual.TargetLogProbabilities, 1e-5, "log-probabilities");
        Closeness.AssertClose(expected.TokenGradient, actual.TokenGradient, 1e-6, "tokens");
        Closeness.AssertClose(expected.GateGradient, actual.GateGradient, 1e-5, "gates");
    }

    [TestMethod]
    [DataRow("model-int4", 1)]
    [DataRow("model-int4", 3)]
    public void Gradient_WithRecomputation_IsTheSameToTheBit(string folder, int tokens)
    {
        GradientResult expected = Compute(folder, tokens, new TrainingGraphOptions { Runtime = TrainingRuntime.AlignerKernels, VocabularyPiece = Piece });
        GradientResult actual = Compute(folder, tokens, new TrainingGraphOptions { Runtime = TrainingRuntime.AlignerKernels, VocabularyPiece = Piece, Recompute = true });
        Assert.AreEqual(expected.Loss, actual.Loss);
        CollectionAssert.AreEqual(expected.TokenGradient, actual.TokenGradient);
        CollectionAssert.AreEqual(expected.GateGradient, actual.GateGradient);
    }

    private static GradientResult Compute(GoldenCase golden, string folder, TrainingGraphOptions options)
    {
        using OnnxRuntimeEngine engine = Open(folder, golden.StartLayer, golden.Tokens, options);
        long[] gates = golden.Shape("gates");
        AdapterParameters parameters = new(new AdapterShape(golden.Tokens, (int)golden.Shape("tokens")[1], (int)gates[0], (int)gates[1]), golden.Singles("tokens"), golden.Singles("gates"));
        GradientResult result = engine.ComputeGradients(TrainingBatch.Create(AdamWTrajectoryTests.Rows(golden)), parameters);
        // The engine's arrays hold until it is disposed.
        return result with { TokenGradient = [.. result.TokenGradient], GateGradient = [.. result.GateGradient] };
    }

    private static GradientResult Compute(string folder, int tokens, TrainingGraphOptions options)
    {
        using OnnxRuntimeEngine engine = Open(Material.Pocket(folder), startLayer: 2, tokens, options);
        AdapterParameters parameters = AdapterParameters.Initial(new AdapterShape(tokens, 128, 4, 4), seed: 3);
        Array.Fill(parameters.Gates, 0.2f);
        TrainingExample[] rows = [.. new[] { 13, 7, 9 }.Select((length, row) =>
            new TrainingExample([.. Enumerable.Range(0, length).Select(t => 10 + (37 * row) + (11 * t))], [.. Enumerable.Range(0, length).Select(t => t < 2 ? -100 : 10 + (37 * row) + (11 * t))]))];
        return engine.ComputeGradients(TrainingBatch.Create(rows), parameters);
    }

    private static OnnxRuntimeEngine Open(string folder, int startLayer, int tokens, TrainingGraphOptions options) =>
        new(TrainingGraph.Build(ModelLoader.Load(ModelPaths.FindOnnxFile(folder)), TrainingGraphKind.Gradient, startLayer, tokens, options).ToBytes(), folder);
}
