using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;
using Google.Protobuf;

namespace AlignerOnnx.Training;

/// <summary>
/// Writes what ONNX Runtime Training needs to train an adapter on a device without .NET: graphs of training, evaluation and optimizer step, and a checkpoint with tokens
/// and gates. Frozen weights stay in the base model's data files, which are copied beside the graphs.
/// </summary>
public static class TrainingArtifacts
{
    /// <summary>Writes the artifacts of a model.</summary>
    /// <param name="model">A model folder or an .onnx file.</param>
    /// <param name="destination">The folder to make; it must not exist, or be empty.</param>
    /// <param name="options">What to train.</param>
    /// <returns>The start values that the checkpoint holds.</returns>
    /// <exception cref="ModelRefusedException">The model cannot be read, recognised or differentiated.</exception>
    /// <exception cref="IOException">The destination is taken, or the disk is full.</exception>
    public static AdapterParameters Write(string model, string destination, ArtifactOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        OnnxModel baseModel = ModelLoader.Load(model);
        Architecture architecture = Architecture.Of(RecognisedModel.Of(baseModel).RequireSites(), baseModel.Path!);
        if (options.StartLayer >= architecture.Layers)
        {
            throw new ModelRefusedException("The model has no such layer", baseModel.Path, $"start layer {options.StartLayer}", $"a layer from 0 to {architecture.Layers - 1}", "name an earlier start layer");
        }
        AdapterShape shape = new(options.Tokens, architecture.HiddenSize, architecture.Layers - options.StartLayer, architecture.QueryHeads);
        AdapterParameters start = AdapterParameters.Initial(shape, options.Seed);
        OnnxModel training = Graph(baseModel, TrainingGraphKind.Gradient, options);
        TrainingModelGraph.Apply(training.Graph);
        OnnxModel evaluation = Graph(baseModel, TrainingGraphKind.Evaluation, options);
        AtomicOutput.MakeFolder(destination, folder =>
        {
            foreach (string file in DataFiles(training).Union(DataFiles(evaluation)))
            {
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            }
            File.WriteAllBytes(Path.Combine(folder, ArtifactNames.TrainingModel), training.ToBytes());
            File.WriteAllBytes(Path.Combine(folder, ArtifactNames.EvaluationModel), evaluation.ToBytes());
            File.WriteAllBytes(Path.Combine(folder, ArtifactNames.OptimizerModel), OptimizerModelGraph.Build(options).ToByteArray());
            File.WriteAllBytes(Path.Combine(folder, ArtifactNames.Checkpoint), OrtCheckpointFile.ToBytes(start));
        });
        return start;
    }

    private static OnnxModel Graph(OnnxModel model, TrainingGraphKind kind, ArtifactOptions options) =>
        TrainingGraph.Build(model, kind, options.StartLayer, options.Tokens, new TrainingGraphOptions { Runtime = TrainingRuntime.OnnxRuntimeTraining, Recompute = options.Recompute });

    private static IEnumerable<string> DataFiles(OnnxModel model) =>
        model.Graph.Values.Select(value => value.Initializer).OfType<Tensor>().Where(tensor => tensor.IsExternal)
            .Select(tensor => Path.Combine(tensor.Folder!, ExternalData.Of(tensor.Proto).Location)).Distinct();
}
