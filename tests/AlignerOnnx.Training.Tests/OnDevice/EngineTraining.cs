using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training.Tests.OnDevice;

/// <summary>What artifacts do, done by the engine on plain ONNX Runtime and AdamW of .NET.</summary>
internal static class EngineTraining
{
    /// <summary>Moves <paramref name="parameters"/>; batches take turns.</summary>
    /// <returns>The loss of each step before its update.</returns>
    public static double[] Run(OnnxModel model, AdapterParameters parameters, ArtifactOptions options, TrainingBatch[] batches)
    {
        OnnxModel graph = TrainingGraph.Build(model, TrainingGraphKind.Gradient, options.StartLayer, options.Tokens, new TrainingGraphOptions { Attention = options.Attention });
        using OnnxRuntimeEngine engine = new(graph.ToBytes(), Path.GetDirectoryName(model.Path!)!);
        AdamW optimizer = new(options.Optimizer, parameters.Tokens, parameters.Gates);
        double[] losses = new double[options.Steps];
        for (int step = 0; step < losses.Length; step++)
        {
            GradientResult gradient = engine.ComputeGradients(batches[step % batches.Length], parameters);
            losses[step] = gradient.Loss;
            _ = GradientClipping.ClipByNorm(options.MaximumGradientNorm!.Value, gradient.TokenGradient, gradient.GateGradient);
            optimizer.Step(options.Schedule!.At(step), gradient.TokenGradient, gradient.GateGradient);
        }
        return losses;
    }
}
