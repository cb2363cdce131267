using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>What a training step costs against a forward pass over the same batch with the same float32 activations.</summary>
public static class TrainingStepBenchmark
{
    private const int StartLayer = 2;

    /// <summary>Measures a case.</summary>
    /// <param name="model">The base model: a folder or an .onnx file.</param>
    /// <param name="what">The case.</param>
    /// <param name="rounds">Counted rounds, 1 or more.</param>
    /// <param name="ortTraining">The process that computes cases of ONNX Runtime Training; null for the others.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    /// <exception cref="ModelRefusedException">The model cannot be trained.</exception>
    public static TrainingStepResult Run(string model, TrainingStepCase what, int rounds, OrtTrainingProcess? ortTraining = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(what);
        what.Check();
        OnnxModel original = ModelLoader.Load(model);
        using Float32Copy? copy = what.Float32 ? Float32Copy.Of(original) : null;
        OnnxModel measured = copy?.Model ?? original;
        using IGradientEngine engine = Open(measured, what, ortTraining);
        IReadOnlyList<TrainingExample> rows = what.MakeRows();
        TrainingBatch batch = TrainingBatch.Create(rows, pack: what.Pack);
        AdapterParameters parameters = AdapterParameters.Initial(ShapeOf(measured, what.Tokens), seed: 1);
        Array.Fill(parameters.Gates, 0.05f);
        void Step() => engine.ComputeGradients(batch, parameters, cancellation);
        void Forward() => engine.Evaluate(batch, parameters, cancellation);
        Step();
        Step();
        long peak = ortTraining?.ReadPeakMemory() ?? PeakMemory.ReadBytes();
        return new TrainingStepResult(PairedBenchmark.Run(Forward, Forward, Step, rounds, warmUps: 2, cancellation), rows.Sum(row => row.InputIds.Length), peak);
    }

    private static IGradientEngine Open(OnnxModel model, TrainingStepCase what, OrtTrainingProcess? ortTraining)
    {
        if (ortTraining is not null)
        {
            return new OrtTrainingEngine(ortTraining, model, new ArtifactOptions { Tokens = what.Tokens, StartLayer = StartLayer, Recompute = what.Recompute });
        }
        OnnxRuntimeEngineOptions engine = new() { Device = what.Device };
        TrainingGraphOptions options = new() { Recompute = what.Recompute, Runtime = engine.Runtime };
        return new OnnxRuntimeEngine(
            TrainingGraph.Build(model, TrainingGraphKind.Gradient, StartLayer, what.Tokens, options).ToBytes(), Path.GetDirectoryName(model.Path!)!,
            () => TrainingGraph.Build(model, TrainingGraphKind.Evaluation, StartLayer, what.Tokens, options).ToBytes(), engine);
    }

    private static AdapterShape ShapeOf(OnnxModel model, int tokens) =>
        AdapterShape.Of(Architecture.Of(RecognisedModel.Of(model).RequireSites(), model.Path!), StartLayer, tokens);
}
