using System.Text.Json;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

/// <summary>Data, batches, engine, optimizer and trainer together on real models.</summary>
[TestClass]
public sealed class RealModelTests
{
    private static OnnxRuntimeEngine Open(string folder, int tokens, AttentionReading attention = AttentionReading.Gated)
    {
        OnnxModel model = ModelLoader.Load(ModelPaths.FindOnnxFile(folder));
        TrainingGraphOptions options = new() { Attention = attention, Runtime = TrainingRuntime.AlignerKernels };
        int startLayer = attention == AttentionReading.Concat ? 0 : 2;
        byte[] gradient = TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer, tokens, options).ToBytes();
        byte[] Evaluation() => TrainingGraph.Build(model, TrainingGraphKind.Evaluation, startLayer, tokens, options).ToBytes();
        return new OnnxRuntimeEngine(gradient, folder, Evaluation, new OnnxRuntimeEngineOptions { Threads = 2 });
    }

    [TestMethod]
    [DataRow("model-int4", 1, AttentionReading.Gated)]
    [DataRow("model-fp32", 3, AttentionReading.Gated)]
    [DataRow("model-int4", 1, AttentionReading.Concat)]
    public void Train_EmbeddedModel_LearnsOneRowByHeart(string model, int tokens, AttentionReading attention)
    {
        using OnnxRuntimeEngine engine = Open(Material.Pocket(model), tokens, attention);
        TrainingExample[] rows = [new([10, 20, 30, 40, 50], [-100, -100, 30, 40, 50])];
        AdapterParameters start = AdapterParameters.Initial(new AdapterShape(tokens, 128, attention == AttentionReading.Concat ? 0 : 4, 4), seed: 0);
        TrainingOptions options = new() { Steps = 40, BatchSize = 1 };
        TrainingResult result = new AdapterTrainer(engine, options).Train(new SupervisedObjective(rows, options), TrainingState.Start(start), new SupervisedEvaluation(rows, options));
        Assert.IsLessThan(0.9 * result.Losses[0], result.Evaluation!.Loss);
    }

    [TestMethod]
    [DataRow("model-int4", 1, AttentionReading.Gated)]
    [DataRow("model-fp32", 3, AttentionReading.Gated)]
    [DataRow("model-fp32", 3, AttentionReading.Concat)]
    public void Gradient_OfPackedRows_EqualsThatOfPaddedRows(string model, int tokens, AttentionReading attention)
    {
        using OnnxRuntimeEngine engine = Open(Material.Pocket(model), tokens, attention);
        AdapterParameters parameters = AdapterParameters.Initial(new AdapterShape(tokens, 128, attention == AttentionReading.Concat ? 0 : 4, 4), seed: 5);
        Array.Fill(parameters.Gates, 0.1f);
        TrainingExample[] rows = [.. new[] { 9, 4, 3, 7, 2, 2 }.Select((length, row) =>
            new TrainingExample([.. Enumerable.Range(0, length).Select(t => 10 + (37 * row) + (11 * t))], [.. Enumerable.Range(0, length).Select(t => t == 0 ? -100 : 10 + (37 * row) + (11 * t))]))];
        TrainingBatch packed = TrainingBatch.Create(rows, pack: true);
        Assert.AreEqual(3, packed.LineCount);
        GradientResult expected = engine.ComputeGradients(TrainingBatch.Create(rows), parameters);
        GradientResult actual = engine.ComputeGradients(packed, parameters);
        Assert.AreEqual(expected.Loss, actual.Loss, 1e-5);
        Closeness.AssertClose(expected.TokenGradient, actual.TokenGradient, 1e-5, "tokens");
        Closeness.AssertClose(expected.GateGradient, actual.GateGradient, 1e-5, "gates");
    }

    /// <summary>Set to 1, SmolLM2 trains all 100 steps of the recipe, and its held-out loss is measured; that takes minutes.</summary>
    private const string LongVariable = "ALIGNER_LONG_TESTS";

    [TestMethod]
    [Timeout(1_800_000)]
    public void Train_SmolLM2Recipe_FollowsTheReferenceCurve()
    {
        bool all = Environment.GetEnvironmentVariable(LongVariable) == "1";
        using OnnxRuntimeEngine engine = Open(Material.Shared("models", "smollm2-135m-instruct-int4"), tokens: 1);
        double[] curve = JsonSerializer.Deserialize<double[]>(File.ReadAllText(Recipe("aligner1-lr0.009.curve.json")))!;
        IReadOnlyDictionary<string, SafetensorsTensor> start = SafetensorsFile.Read(Recipe("aligner1-lr0.009.init.safetensors"), 1 << 20);
        AdapterParameters parameters = new(new AdapterShape(1, 576, 28, 9), start["tokens"].ToSingles(), start["gates"].ToSingles());
        TrainingOptions options = new() { Steps = all ? 100 : 20, BatchSize = 4, LearningRate = 9e-3, Order = BatchOrder.File };

        TrainingResult result = new AdapterTrainer(engine, options).Train(new SupervisedObjective(RecipeRows("train.ids.json"), options), TrainingState.Start(parameters));

        for (int step = 0; step < options.Steps; step++)
        {
            // Both sides compute in float32 on the same de-quantised weights; the order of sums differs, and each step carries that on.
            Assert.AreEqual(curve[step], result.Losses[step], step < 6 ? 5e-5 : step < 20 ? 1e-3 : 1e-2, $"step {step}: {string.Join(", ", result.Losses)}");
        }
        if (all)
        {
            Assert.AreEqual(1.9728, LossEvaluator.Measure(engine, RecipeRows("eval.ids.json"), result.Parameters, batchSize: 4).Loss, 0.02, "held-out loss");
        }
    }

    private static string Recipe(string file) => Path.Combine(Material.Shared("recipes", "smollm2-json"), file);

    private static IReadOnlyList<TrainingExample> RecipeRows(string file) =>
        new ConversationEncoder((_, _) => "", _ => [], new EncodingOptions { MaximumLength = 4096 }).Encode(ConversationDataSet.Read(Recipe(file))).Examples;
}
