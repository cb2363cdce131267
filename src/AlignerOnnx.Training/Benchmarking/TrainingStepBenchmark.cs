using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>What a training step costs against a forward pass over the same batch with the same float32 activations.</summary>
public static class TrainingStepBenchmark
{
    private const int StartLayer = 2;

    /// <summary>Measures a batch of rows of which the second half is the completion.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="length">Tokens of a row; at least 4.</param>
    /// <param name="tokens">N.</param>
    /// <param name="rounds">Counted rounds.</param>
    /// <param name="recompute">Whether activations are computed again rather than kept.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    public static PairedResult Run(string model, int rows, int length, int tokens, int rounds, bool recompute = false, CancellationToken cancellation = default)
    {
        OnnxModel original = ModelLoader.Load(model);
        OnnxModel gradient = TrainingGraph.Build(original, TrainingGraphKind.Gradient, StartLayer, tokens, new TrainingGraphOptions { Recompute = recompute });
        OnnxModel forward = TrainingGraph.Build(original, TrainingGraphKind.Evaluation, StartLayer, tokens);
        using OnnxRuntimeEngine engine = new(gradient.ToBytes(), Path.GetDirectoryName(original.Path!)!, forward.ToBytes());
        TrainingBatch batch = TrainingBatch.Create([.. Enumerable.Range(0, rows).Select(row => Example(row, length))]);
        AdapterParameters parameters = AdapterParameters.Initial(ShapeOf(gradient, tokens), seed: 1);
        Array.Fill(parameters.Gates, 0.05f);
        void Forward() => engine.Evaluate(batch, parameters, cancellation);
        return PairedBenchmark.Run(Forward, Forward, () => engine.ComputeGradients(batch, parameters, cancellation), rounds, warmUps: 2, cancellation);
    }

    private static AdapterShape ShapeOf(OnnxModel gradient, int tokens)
    {
        Architecture architecture = Architecture.Of(RecognisedModel.Of(ModelLoader.Load(gradient.Path!)).RequireSites(), gradient.Path!);
        return new AdapterShape(tokens, architecture.HiddenSize, architecture.Layers - StartLayer, architecture.QueryHeads);
    }

    private static TrainingExample Example(int row, int length)
    {
        int[] ids = [.. Enumerable.Range(0, length).Select(i => 3 + ((i * 31) + (row * 17)) % 900)];
        return new TrainingExample(ids, [.. ids.Select((id, i) => i < length / 2 ? -100 : id)]);
    }
}
