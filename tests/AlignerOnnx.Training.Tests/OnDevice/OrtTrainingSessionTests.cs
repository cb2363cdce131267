using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.OnDevice;

/// <summary>The artifacts in a native ONNX Runtime built with training, whose own optimizer moves tokens and gates, against the .NET engine and AdamW.</summary>
[TestClass]
public sealed class OrtTrainingSessionTests
{
    private static string Library => Material.Shared("native", "ort-training-1.28.0-linux-x64", "libonnxruntime.so");

    [TestMethod]
    [DataRow("pocket", 1, 50)]
    [DataRow("pocket", 3, 50)]
    [DataRow("ref-qwen2", 2, 50)]
    [DataRow("smollm2", 1, 8)]
    [Timeout(240_000)]
    public void Losses_OfBothEngines_Agree(string name, int tokens, int steps)
    {
        string library = Library;
        string model = name switch
        {
            "pocket" => Material.Pocket(),
            "smollm2" => Material.Shared("models", "smollm2-135m-instruct-int4"),
            _ => Material.Shared("exports", "reference-models", name),
        };
        string root = Material.NewTemporaryFolder();
        try
        {
            ArtifactOptions options = new() { Tokens = tokens, Steps = steps, Schedule = new LearningRateSchedule(LearningRateShape.Cosine, 0.02, 5, steps), Seed = 3 };
            string folder = Path.Combine(root, "artifacts");
            AdapterParameters start = TrainingArtifacts.Write(model, folder, options);
            TrainingBatch[] batches = [Batch(0), Batch(1)];
            double[] expected = TrainHere(model, start, options, batches);
            using OrtTrainingSession session = new(library, folder, threads: 2);
            for (int step = 0; step < steps; step++)
            {
                double loss = session.TrainStep(batches[step % 2]);
                session.OptimizerStep();
                // Both compute in float32; the orders of sums differ and each step carries that on.
                Assert.AreEqual(expected[step], loss, 1e-4, $"step {step}");
            }
            Closeness.AssertClose(start.Tokens, session.Read(start.Shape).Tokens, 5e-3, "tokens");
            Assert.IsLessThan(expected[0], expected[^1]);
            string saved = Path.Combine(root, "saved.ckpt");
            session.SaveCheckpoint(saved);
            Assert.IsTrue(File.Exists(saved));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [TestMethod]
    public void Open_OfAnotherFile_IsRefusedBeforeItIsUsed()
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => new OrtTrainingSession(typeof(OrtTrainingSessionTests).Assembly.Location, Path.GetTempPath()));
        StringAssert.Contains(refusal.Message, "no library of ONNX Runtime", StringComparison.Ordinal);
    }

    /// <summary>Moves <paramref name="parameters"/>, and gives the loss of each step before its update.</summary>
    private static double[] TrainHere(string model, AdapterParameters parameters, ArtifactOptions options, TrainingBatch[] batches)
    {
        OnnxModel graph = TrainingGraph.Build(ModelLoader.Load(model), TrainingGraphKind.Gradient, options.StartLayer, options.Tokens);
        using OnnxRuntimeEngine engine = new(graph.ToBytes(), model);
        AdamW optimizer = new(options.Optimizer, parameters.Tokens, parameters.Gates);
        double[] losses = new double[options.Steps];
        for (int step = 0; step < losses.Length; step++)
        {
            GradientResult gradient = engine.ComputeGradients(batches[step % batches.Length], parameters);
            losses[step] = gradient.Loss;
            optimizer.Step(options.Schedule!.At(step), gradient.TokenGradient, gradient.GateGradient);
        }
        return losses;
    }

    private static TrainingBatch Batch(int number) => TrainingBatch.Create([.. new[] { 12, 9, 14 }.Select((length, row) =>
    {
        int[] ids = [.. Enumerable.Range(0, length).Select(t => 5 + (((t * 31) + (row * 57) + (number * 101)) % 290))];
        return new TrainingExample(ids, [.. ids.Select((id, t) => t < 4 ? -100 : id)]);
    })]);
}
