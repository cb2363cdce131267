using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.OnDevice;

/// <summary>The artifacts in the WebAssembly build of ONNX Runtime Training 1.19.2, run by node, against the .NET engine and AdamW.</summary>
[TestClass]
public sealed class BrowserTrainingTests
{
    private const int Steps = 24;

    private readonly string _folder = Material.NewTemporaryFolder();

    public TestContext TestContext { get; set; } = null!;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow("model-int4")]
    [DataRow("model-fp32")]
    [Timeout(300_000)]
    public async Task Losses_InWebAssembly_AreThoseOfTheEngine(string model)
    {
        string program = Path.Combine(Material.Repository, "tests", "AlignerOnnx.Training.Tests", "Browser", "train.mjs");
        if (!Directory.Exists(Path.Combine(Path.GetDirectoryName(program)!, "node_modules", "onnxruntime-web")))
        {
            Assert.Inconclusive("needs the npm package onnxruntime-web, which the build could not fetch");
        }
        ArtifactOptions options = new()
        {
            Steps = Steps,
            Schedule = new LearningRateSchedule(LearningRateShape.Cosine, 0.02, 5, Steps),
            MaximumGradientNorm = 0.05,
            Inline = true,
        };
        string artifacts = Path.Combine(_folder, "artifacts");
        AdapterParameters trained = TrainingArtifacts.Write(Material.Pocket(model), artifacts, options);
        CollectionAssert.AreEquivalent(
            new[] { ArtifactNames.Checkpoint, ArtifactNames.EvaluationModel, ArtifactNames.OptimizerModel, ArtifactNames.TrainingModel }, Directory.GetFiles(artifacts).Select(Path.GetFileName).ToArray());
        TrainingBatch[] batches = [SampleBatch.Of(0), SampleBatch.Of(1)];
        string batchFile = Path.Combine(_folder, "batches.json");
        await File.WriteAllTextAsync(batchFile, JsonSerializer.Serialize(batches.Select(Named)));
        JsonElement browser = await RunAsync(program, artifacts, batchFile, $"{Steps}");

        double[] expected = EngineTraining.Run(ModelLoader.Load(Material.Pocket(model)), trained, options, batches);
        double[] losses = [.. browser.GetProperty("losses").EnumerateArray().Select(loss => loss.GetDouble())];
        Assert.HasCount(Steps, losses);
        for (int step = 0; step < Steps; step++)
        {
            // Both compute in float32; the orders of sums differ and each step carries that on.
            Assert.AreEqual(expected[step], losses[step], 1e-4, $"step {step}");
        }
        Assert.IsLessThan(losses[0], browser.GetProperty("evaluation").GetDouble());
        float[] parameters = [.. browser.GetProperty("parameters").EnumerateArray().Select(number => number.GetSingle())];
        Closeness.AssertClose([.. trained.Tokens, .. trained.Gates], parameters, 5e-3, "tokens and gates");
        TestContext.WriteLine($"{model}: losses differ by at most {expected.Zip(losses).Max(pair => Math.Abs(pair.First - pair.Second)):E2} over {Steps} steps");
    }

    private static Dictionary<string, object> Named(TrainingBatch batch)
    {
        string[] names = [GradientGraphNames.InputIds, GradientGraphNames.AttentionMask, GradientGraphNames.TargetPositions, GradientGraphNames.TargetIds, GradientGraphNames.TargetWeights];
        return names.Zip(TensorData.Of(batch)).ToDictionary(pair => pair.First, pair => (object)new { type = pair.Second.Data is long[] ? "int64" : "float32", dims = pair.Second.Shape, data = (object)pair.Second.Data });
    }

    private static async Task<JsonElement> RunAsync(params string[] arguments)
    {
        ProcessStartInfo start = new("node", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string errors = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.AreEqual(0, process.ExitCode, errors);
            return JsonDocument.Parse(await output).RootElement;
        }
        catch (Win32Exception)
        {
            Assert.Inconclusive("needs node");
            throw;
        }
    }
}
