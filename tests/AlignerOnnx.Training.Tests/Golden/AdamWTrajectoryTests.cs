using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.Golden;

/// <summary>20 steps of AdamW from zero gates against the independent PyTorch reference, within the tolerance that each case suggests, and twice of it on the way: AdamW divides
/// by the gradient's own size, so that the first updates of a number with a small gradient carry its rounding in full.</summary>
[TestClass]
public sealed class AdamWTrajectoryTests
{
    private const int Steps = 20;

    public static IEnumerable<object[]> Cases => GoldenCase.All.Where(row => !Material.HasShared || GoldenCase.Load((string)row[0], (string)row[1]).HasAdamW);

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Trajectory_OfGoldenCase_EqualsReference(string model, string name)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        using OnnxRuntimeEngine engine = Open(golden, model, name);
        long[] gateShape = golden.IsGated ? golden.Shape("gates") : [0, 0];
        AdapterShape shape = new(golden.Tokens, (int)golden.Shape("tokens")[1], (int)gateShape[0], (int)gateShape[1]);
        AdapterParameters parameters = new(shape, golden.Singles("tokens"), new float[shape.GateValues]);
        AdamW optimizer = new(new AdamWOptions { WeightDecay = golden.AdamW("weight_decay") }, parameters.Tokens, parameters.Gates);
        TrainingBatch batch = TrainingBatch.Create(Rows(golden));
        float[] losses = new float[Steps + 1];
        for (int step = 0; step < Steps; step++)
        {
            GradientResult gradient = engine.ComputeGradients(batch, parameters);
            losses[step] = (float)gradient.Loss;
            optimizer.Step(golden.AdamW("lr"), gradient.TokenGradient, gradient.GateGradient);
            AssertState(golden, parameters, step + 1);
        }
        losses[Steps] = (float)engine.ComputeGradients(batch, parameters).Loss;
        Closeness.AssertClose(golden.Singles("adamw.losses"), losses, golden.Tolerance("adamw.losses"), "losses");
        Closeness.AssertClose(golden.Singles("adamw.final_tokens"), parameters.Tokens, golden.Tolerance("adamw.final_tokens"), "tokens");
        if (golden.IsGated)
        {
            Closeness.AssertClose(golden.Singles("adamw.final_gates"), parameters.Gates, golden.Tolerance("adamw.final_gates"), "gates");
        }
    }

    private static void AssertState(GoldenCase golden, AdapterParameters parameters, int steps)
    {
        if (golden.Has($"adamw.tokens_after_{steps}"))
        {
            Closeness.AssertClose(golden.Singles($"adamw.tokens_after_{steps}"), parameters.Tokens, 2 * golden.Tolerance($"adamw.tokens_after_{steps}"), $"tokens after {steps}");
        }
        if (golden.Has($"adamw.gates_after_{steps}"))
        {
            Closeness.AssertClose(golden.Singles($"adamw.gates_after_{steps}"), parameters.Gates, 2 * golden.Tolerance($"adamw.gates_after_{steps}"), $"gates after {steps}");
        }
    }

    private static OnnxRuntimeEngine Open(GoldenCase golden, string model, string name)
    {
        TrainingGraphOptions options = new() { Attention = golden.IsGated ? AttentionReading.Gated : AttentionReading.Concat, Runtime = TrainingRuntime.AlignerKernels };
        OnnxModel graph = TrainingGraph.Build(GoldenCase.LoadModel(model, name), TrainingGraphKind.Gradient, golden.StartLayer, golden.Tokens, options);
        return new OnnxRuntimeEngine(graph.ToBytes(), GoldenCase.ModelFolder(model));
    }

    internal static TrainingExample[] Rows(GoldenCase golden)
    {
        int length = (int)golden.Shape("input_ids")[1];
        int[] real = [.. golden.Int64s("attention_mask").Chunk(length).Select(mask => (int)mask.Sum())];
        int[][] ids = [.. golden.Int64s("input_ids").Select(id => (int)id).Chunk(length)];
        int[][] labels = [.. golden.Int64s("labels").Select(label => (int)label).Chunk(length)];
        return [.. real.Select((count, row) => new TrainingExample(ids[row][..count], labels[row][..count]))];
    }
}
