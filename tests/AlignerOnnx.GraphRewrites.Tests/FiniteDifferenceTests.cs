using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests;

/// <summary>Gradients on the embedded model against central differences of the loss; needs nothing outside the repository.</summary>
[TestClass]
public sealed class FiniteDifferenceTests
{
    private const int Seed = 20260;
    private const int Rows = 2;
    private const int Length = 12;

    [TestMethod]
    [DataRow("model-fp32", 1, 2)]
    [DataRow("model-fp32", 3, 0)]
    [DataRow("model-int4", 1, 2)]
    [DataRow("model-int4", 2, 3)]
    [DataRow("model-int4", 1, 5)]
    [DataRow("model-int4", 300, 2)]
    [DataRow("model-fp32", 300, 0)]
    [DataRow("model-fp32", 1, 0, AttentionReading.Concat)]
    [DataRow("model-int4", 3, 0, AttentionReading.Concat)]
    [DataRow("model-int4", 300, 0, AttentionReading.Concat)]
    public void Gradient_AlongRandomDirections_EqualsCentralDifference(string folder, int tokens, int startLayer, AttentionReading attention = AttentionReading.Gated) =>
        AssertCentralDifferences(ModelLoader.Load(Material.Pocket(folder)), startLayer, tokens, new TrainingGraphOptions { Attention = attention });

    /// <summary>A pair, a supervised term and kept targets at once; the case of the identity loss has two tokens.</summary>
    [TestMethod]
    [DataRow("model-fp32", PreferenceLossKind.Sigmoid, 0.1, 0, 1)]
    [DataRow("model-int4", PreferenceLossKind.Sigmoid, 0.3, 0.1, 1)]
    [DataRow("model-fp32", PreferenceLossKind.Ipo, 0.5, 0, 2)]
    public void Gradient_OfPreferences_EqualsCentralDifference(string folder, PreferenceLossKind kind, double beta, double smoothing, int tokens) =>
        AssertCentralDifferences(ModelLoader.Load(Material.Pocket(folder)), startLayer: 2, tokens, new TrainingGraphOptions { Preference = new PreferenceLossOptions { Kind = kind, Beta = beta, LabelSmoothing = smoothing } });

    private static void AssertCentralDifferences(OnnxModel model, int startLayer, int tokens, TrainingGraphOptions options)
    {
        using GraphRunner runner = new(TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer, tokens, options));
        // Seeded, so that a failure can be repeated: seed 20260.
        Random random = new(Seed);
        float[] p = Gaussians(random, tokens * 128, 1);
        float[] gates = Gaussians(random, (6 - startLayer) * 4, 0.2f);
        IReadOnlyDictionary<string, float[]> at = Run(runner, p, gates, tokens, startLayer);
        for (int trial = 0; trial < 4; trial++)
        {
            // Many tokens move together: as far as one alone.
            float[] pDirection = Gaussians(random, p.Length, 1 / MathF.Sqrt(tokens));
            float[] gateDirection = Gaussians(random, gates.Length, 0.1f);
            double along = Along(at, pDirection, gateDirection);
            const float step = 5e-3f;
            double above = Run(runner, Moved(p, pDirection, step), Moved(gates, gateDirection, step), tokens, startLayer)["loss"][0];
            double below = Run(runner, Moved(p, pDirection, -step), Moved(gates, gateDirection, -step), tokens, startLayer)["loss"][0];
            // The loss is float32 of about 10: its rounding over the step, 1e-6 / 5e-3, bounds the absolute error; curvature the relative one.
            double difference = (above - below) / (2 * step);
            Assert.AreEqual(difference, along, 2e-3 + (0.02 * Math.Abs(along)), $"{options}, {tokens} tokens, trial {trial}");
        }
    }

    [TestMethod]
    [DataRow("model-int4", 1, 2)]
    [DataRow("model-int4", 3, 0)]
    public void Gradient_ForTheTrainingRuntime_IsTheSame(string folder, int tokens, int startLayer)
    {
        OnnxModel model = ModelLoader.Load(Material.Pocket(folder));
        OnnxModel portable = TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer, tokens, new TrainingGraphOptions { Runtime = TrainingRuntime.OnnxRuntimeTraining });
        Assert.AreEqual(21, portable.Opset());
        Assert.IsFalse(portable.Graph.Nodes.Any(node => node.OpType == "GatherBlockQuantized" && node.Name.EndsWith(".dequantised", StringComparison.Ordinal)));
        using GraphRunner fast = new(TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer, tokens));
        using GraphRunner slow = new(portable);
        Random random = new(Seed);
        float[] p = Gaussians(random, tokens * 128, 1);
        float[] gates = Gaussians(random, (6 - startLayer) * 4, 0.2f);
        Closeness.AssertClose(Run(fast, p, gates, tokens, startLayer)["aligner.tokens_gradient"], Run(slow, p, gates, tokens, startLayer)["aligner.tokens_gradient"], 1e-6, "tokens");
    }

    /// <summary>Exports without golden gradients: weights quantised otherwise, float16, other attention operators, int32 inputs.</summary>
    [TestMethod]
    [DataRow("builder-0.18/llama3-int4-qdq-cpu", 64, 4, 4)]
    [DataRow("builder-0.18/llama3-int8-cpu", 64, 4, 4)]
    [DataRow("builder-0.18/phi3-int4-cpu", 64, 4, 4)]
    [DataRow("builder-0.18/qwen2-int4-cpu", 64, 4, 4)]
    [DataRow("builder-0.18/llama3-fp16-cuda", 64, 4, 4)]
    [DataRow("builder-0.18/llama3-fp16-dml", 64, 4, 4)]
    [DataRow("builder-0.18/qwen3-fp16-cuda", 64, 4, 4)]
    [DataRow("genai_tiny-random-Llama-fp16", 16, 1, 2)]
    [DataRow("genai_tiny-qwen35-cuda", 64, 4, 2)]
    [DataRow("other-exporters/dyn23-ref-llama3-gqa-rope-sdpa", 64, 4, 4)]
    [DataRow("builder-0.18/llama3-int8-cpu", 64, 4, 4, AttentionReading.Concat)]
    [DataRow("builder-0.18/phi3-int4-cpu", 64, 4, 4, AttentionReading.Concat)]
    [DataRow("builder-0.18/llama3-fp16-dml", 64, 4, 4, AttentionReading.Concat)]
    [DataRow("builder-0.18/qwen3-fp16-cuda", 64, 4, 4, AttentionReading.Concat)]
    [DataRow("genai_tiny-qwen35-cuda", 64, 4, 2, AttentionReading.Concat)]
    [DataRow("other-exporters/dyn23-ref-llama3-gqa-rope-sdpa", 64, 4, 4, AttentionReading.Concat)]
    [DataRow("reference-models/ref-phi3", 64, 4, 4, AttentionReading.Concat)]
    [DataRow("reference-models/ref-mistral-sw8", 64, 4, 4, AttentionReading.Concat)]
    [DataRow("reference-models/ref-gemma2", 64, 4, 4, AttentionReading.Concat)]
    public void Gradient_OfExport_EqualsCentralDifference(string export, int width, int heads, int layers, AttentionReading attention = AttentionReading.Gated)
    {
        OnnxModel model = ModelLoader.Load(Material.Shared(["exports", .. export.Split('/')]));
        using GraphRunner runner = new(TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer: 0, tokens: 2, new TrainingGraphOptions { Attention = attention }));
        Random random = new(Seed);
        float[] p = Gaussians(random, 2 * width, 1);
        float[] gates = Gaussians(random, layers * heads, 0.2f);
        IReadOnlyDictionary<string, float[]> At(float[] tokens, float[] gateValues) => RunOn(runner, tokens, [2, width], gateValues, [layers, heads]);
        IReadOnlyDictionary<string, float[]> at = At(p, gates);
        for (int trial = 0; trial < 3; trial++)
        {
            float[] pDirection = Gaussians(random, p.Length, 1);
            float[] gateDirection = Gaussians(random, gates.Length, 0.1f);
            double along = Along(at, pDirection, gateDirection);
            const float step = 5e-3f;
            double difference = (At(Moved(p, pDirection, step), Moved(gates, gateDirection, step))["loss"][0] - At(Moved(p, pDirection, -step), Moved(gates, gateDirection, -step))["loss"][0]) / (2 * step);
            Assert.AreEqual(difference, along, 2e-3 + (0.02 * Math.Abs(along)), $"{export}, trial {trial}, seed {Seed}");
        }
    }

    /// <summary>ONNX Runtime Training knows no operator that came after opset 21.</summary>
    [TestMethod]
    [DataRow("other-exporters/dyn23-ref-llama3-gqa-rope-sdpa")]
    [DataRow("other-exporters/dyn18-ref-llama3-gqa-rope-eager")]
    public void ForTheTrainingRuntime_NoOperatorIsNewerThanTheOpset(string export)
    {
        OnnxModel model = TrainingGraph.Build(
            ModelLoader.Load(Material.Shared(["exports", .. export.Split('/')])), TrainingGraphKind.Gradient, startLayer: 0, tokens: 1, new TrainingGraphOptions { Runtime = TrainingRuntime.OnnxRuntimeTraining });
        string[] newer = ["Attention", "RotaryEmbedding", "RMSNormalization", "Swish", "TensorScatter"];
        Assert.IsEmpty(model.Graph.Nodes.Where(node => node.Domain == Domains.Standard && newer.Contains(node.OpType)));
        Assert.AreEqual(21, model.Opset());
    }

    [TestMethod]
    [DataRow("model-fp32", 2, 0)]
    [DataRow("model-int4", 1, 2)]
    public void Gradient_WithRecomputation_IsTheSame(string folder, int tokens, int startLayer)
    {
        OnnxModel model = ModelLoader.Load(Material.Pocket(folder));
        OnnxModel again = TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer, tokens, new TrainingGraphOptions { Recompute = true });
        using GraphRunner keeping = new(TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer, tokens));
        using GraphRunner recomputing = new(again);
        Random random = new(Seed);
        float[] p = Gaussians(random, tokens * 128, 1);
        float[] gates = Gaussians(random, (6 - startLayer) * 4, 0.2f);
        IReadOnlyDictionary<string, float[]> expected = Run(keeping, p, gates, tokens, startLayer);
        IReadOnlyDictionary<string, float[]> actual = Run(recomputing, p, gates, tokens, startLayer);
        CollectionAssert.AreEqual(expected["aligner.tokens_gradient"], actual["aligner.tokens_gradient"], "the same operators on the same values");
        CollectionAssert.AreEqual(expected["aligner.gates_gradient"], actual["aligner.gates_gradient"]);
        Assert.IsGreaterThan(6 - startLayer, again.Graph.Nodes.Count(node => node.Name.EndsWith(".recomputed", StringComparison.Ordinal)), "every adapted layer computes something again");
    }

    private static IReadOnlyDictionary<string, float[]> Run(GraphRunner runner, float[] tokens, float[] gates, int count, int startLayer)
    {
        return RunOn(runner, tokens, [count, 128], gates, [6 - startLayer, 4]);
    }

    private static IReadOnlyDictionary<string, float[]> RunOn(GraphRunner runner, float[] tokens, long[] tokenShape, float[] gates, long[] gateShape)
    {
        long[] ids = [.. Enumerable.Range(0, Rows * Length).Select(i => (long)((i * 53) % 300) + 3)];
        long[] mask = [.. Enumerable.Range(0, Rows * Length).Select(i => i >= Rows * Length - 3 ? 0L : 1L)];
        long[] positions = [3, 5, 8, Length + 2, Length + 6];
        return runner.Run(
            ("input_ids", ids, [Rows, Length]), ("attention_mask", mask, [Rows, Length]),
            ("target_positions", positions, [positions.Length]), ("target_ids", positions.Select(position => ids[position + 1]).ToArray(), [positions.Length]),
            ("target_weights", new[] { 0.5f, 0.2f, 0.1f, 0.7f, 0.3f }, [positions.Length]),
            ("target_sequences", new long[] { 0, 0, 0, 1, 1 }, [positions.Length]), ("sequence_weights", new[] { 1f, 1f, 0.5f, 1f, 0.5f }, [positions.Length]),
            ("reference_log_probabilities", new[] { -20f, -18f }, [2]), ("pair_weights", new[] { 0.7f }, [1]),
            ("kept_log_probabilities", new[] { -5f, -6f, -7f, -8f, -9f }, [positions.Length]), ("kept_weights", new[] { 0.1f, 0, 0.2f, 0, 0.1f }, [positions.Length]),
            ("aligner.tokens", tokens, tokenShape), ("aligner.gates", gates, gateShape));
    }

    private static float[] Gaussians(Random random, int count, float deviation) => [.. Enumerable.Range(0, count).Select(_ =>
        deviation * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];

    private static float[] Moved(float[] point, float[] direction, float step) => [.. point.Zip(direction, (a, b) => a + (step * b))];

    /// <summary>The derivative along a direction of tokens and gates; of concat attention of tokens alone.</summary>
    private static double Along(IReadOnlyDictionary<string, float[]> at, float[] tokens, float[] gates) =>
        Dot(at["aligner.tokens_gradient"], tokens) + (at.TryGetValue("aligner.gates_gradient", out float[]? gradient) ? Dot(gradient, gates) : 0);

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
}
