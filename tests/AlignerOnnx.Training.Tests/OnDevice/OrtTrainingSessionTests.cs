using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.OnDevice;

/// <summary>The artifacts in a native ONNX Runtime built with training, whose own optimizer moves tokens and gates, against the .NET engine and AdamW.</summary>
[TestClass]
public sealed class OrtTrainingSessionTests
{
    /// <summary>Set to 1, SmolLM2 trains 50 steps rather than 8, which takes minutes.</summary>
    private const string LongVariable = "ALIGNER_LONG_TESTS";

    private readonly string _folder = Material.NewTemporaryFolder();

    public TestContext TestContext { get; set; } = null!;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow("pocket", 1, 50)]
    [DataRow("pocket", 3, 50)]
    [DataRow("pocket", 3, 50, AttentionReading.Concat)]
    [DataRow("ref-qwen2", 2, 50)]
    [DataRow("ref-qwen2", 2, 50, AttentionReading.Concat)]
    [DataRow("smollm2", 1, 8)]
    [Timeout(3_600_000)]
    public void Losses_OfBothEngines_Agree(string name, int tokens, int steps, AttentionReading attention = AttentionReading.Gated)
    {
        string library = Material.OrtTrainingLibrary();
        string model = name switch
        {
            "pocket" => Material.Pocket(),
            "smollm2" => Material.Shared("models", "smollm2-135m-instruct-int4"),
            _ => Material.Shared("exports", "reference-models", name),
        };
        steps = Environment.GetEnvironmentVariable(LongVariable) == "1" ? 50 : steps;
        ArtifactOptions options = new()
        {
            Tokens = tokens,
            Attention = attention,
            StartLayer = attention == AttentionReading.Concat ? 0 : 2,
            Steps = steps,
            Schedule = new LearningRateSchedule(LearningRateShape.Cosine, 0.02, 5, steps),
            MaximumGradientNorm = 0.05,
            Seed = 3,
        };
        OnnxModel loaded = ModelLoader.Load(model);
        ArtifactSet artifacts = TrainingArtifacts.Make(loaded, options);
        AdapterParameters start = OrtCheckpointFile.Parse(artifacts.Checkpoint, "artifacts").Parameters;
        TrainingBatch[] batches = [SampleBatch.Of(0), SampleBatch.Of(1)];
        using OrtTrainingSession session = new(library, artifacts, threads: 2);
        double[] expected = EngineTraining.Run(loaded, start, options, batches);
        double largest = 0;
        for (int step = 0; step < steps; step++)
        {
            double loss = session.TrainStep(TensorData.Of(batches[step % 2]))[0][0];
            session.OptimizerStep();
            // Both compute in float32; the orders of sums differ and each step carries that on.
            Assert.AreEqual(expected[step], loss, 1e-4, $"step {step}");
            largest = Math.Max(largest, Math.Abs(expected[step] - loss));
        }
        TestContext.WriteLine($"{name}, {attention}, {tokens} tokens, {steps} steps: losses differ by at most {largest:E2}");
        float[] trained = session.ReadParameters();
        Closeness.AssertClose(start.Tokens, trained.AsSpan(0, start.Tokens.Length), 5e-3, "tokens");
        Assert.IsLessThan(expected[0], expected[^1]);
    }

    [TestMethod]
    [DataRow(AttentionReading.Gated, 2)]
    [DataRow(AttentionReading.Concat, 0)]
    public void SaveCheckpoint_OfARunInTheMiddle_ContinuesAsIfItHadNotEnded(AttentionReading attention, int startLayer)
    {
        string library = Material.OrtTrainingLibrary();
        ArtifactOptions options = new() { Attention = attention, StartLayer = startLayer, Steps = 10, Schedule = new LearningRateSchedule(LearningRateShape.Linear, 0.02, 2, 10) };
        ArtifactSet artifacts = TrainingArtifacts.Make(ModelLoader.Load(Material.Pocket()), options);
        using OrtTrainingSession whole = new(library, artifacts, threads: 1);
        string saved = Path.Combine(_folder, "saved");
        float[] after = [];
        for (int step = 0; step < 10; step++)
        {
            _ = whole.TrainStep(TensorData.Of(SampleBatch.Of(step % 2)));
            whole.OptimizerStep();
            if (step == 4)
            {
                whole.SaveCheckpoint(saved);
                after = whole.ReadParameters();
            }
        }
        // What the runtime saved is read, written anew by this project, and read by the runtime.
        OrtCheckpoint checkpoint = OrtCheckpointFile.Read(saved);
        Assert.AreEqual(5, checkpoint.Optimizer!.StepCount);
        Assert.IsNotNull(checkpoint.BaseFingerprint);
        CollectionAssert.AreEqual(after, checkpoint.Parameters.Tokens.Concat(checkpoint.Parameters.Gates).ToArray());
        using OrtTrainingSession continued = new(library, artifacts with { Checkpoint = OrtCheckpointFile.ToBytes(checkpoint) }, threads: 1);
        for (int step = 5; step < 10; step++)
        {
            _ = continued.TrainStep(TensorData.Of(SampleBatch.Of(step % 2)));
            continued.OptimizerStep();
        }
        CollectionAssert.AreEqual(whole.ReadParameters(), continued.ReadParameters());
    }

    [TestMethod]
    public void Export_OfATrainedSession_GivesAGraphWithTheParametersInside()
    {
        string library = Material.OrtTrainingLibrary();
        string artifacts = Path.Combine(_folder, "artifacts");
        AdapterParameters start = TrainingArtifacts.Write(Material.Pocket(), artifacts, new ArtifactOptions { Steps = 5 });
        string File(string name) => Path.Combine(artifacts, name);
        using OrtTrainingSession session = new(library, (File(ArtifactNames.Checkpoint), File(ArtifactNames.TrainingModel), File(ArtifactNames.EvaluationModel), File(ArtifactNames.OptimizerModel)));
        TrainingBatch batch = SampleBatch.Of(0);
        for (int step = 0; step < 5; step++)
        {
            _ = session.TrainStep(TensorData.Of(batch));
            session.OptimizerStep();
        }
        float[][] expected = session.EvalStep(TensorData.Of(batch));
        string exported = File("exported.onnx");
        session.Export(exported, GradientGraphNames.Loss, GradientGraphNames.TargetLogProbabilities);

        using GraphRunner runner = new(ModelLoader.Load(exported));
        IReadOnlyDictionary<string, float[]> outputs = runner.Run(
            (GradientGraphNames.InputIds, batch.InputIds, [batch.LineCount, batch.Length]), (GradientGraphNames.AttentionMask, batch.AttentionMask, [batch.LineCount, batch.Length]),
            (GradientGraphNames.TargetPositions, batch.TargetPositions, [batch.TargetCount]), (GradientGraphNames.TargetIds, batch.TargetIds, [batch.TargetCount]),
            (GradientGraphNames.TargetWeights, batch.TargetWeights, [batch.TargetCount]));
        // Another release of the kernels computes the same graph.
        Assert.AreEqual(expected[0][0], outputs[GradientGraphNames.Loss][0], 1e-4);
        Assert.HasCount(start.Shape.TrainableValues, session.ReadParameters());
    }
}
