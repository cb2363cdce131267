using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;
using Google.Protobuf;

namespace AlignerOnnx.Training;

/// <summary>
/// Makes what ONNX Runtime Training needs to train an adapter: graphs of training, evaluation and optimizer step, and a checkpoint with tokens and gates. Frozen weights
/// stay in the base model's data files.
/// </summary>
public static class TrainingArtifacts
{
    /// <summary>Writes the artifacts of a model for a device without .NET; the data files are copied beside the graphs.</summary>
    /// <param name="model">A model folder or an .onnx file.</param>
    /// <param name="destination">The folder to make; it must not exist, or be empty.</param>
    /// <param name="options">What to train.</param>
    /// <returns>The start values that the checkpoint holds.</returns>
    /// <exception cref="ModelRefusedException">The model cannot be read, recognised or differentiated, or the destination lies inside its folder.</exception>
    /// <exception cref="IOException">The destination is taken, or the disk is full.</exception>
    public static AdapterParameters Write(string model, string destination, ArtifactOptions options)
    {
        ModelPaths.RequireOutside(model, destination);
        OnnxModel baseModel = ModelLoader.Load(model);
        ArtifactSet made = Make(baseModel, options, out AdapterParameters start, out IReadOnlyList<string> dataFiles);
        AtomicOutput.MakeFolder(destination, folder =>
        {
            foreach (string file in dataFiles)
            {
                string copy = Path.Combine(folder, file);
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(Path.Combine(made.DataFolder, file), copy);
            }
            foreach ((string name, byte[] content) in made.Files)
            {
                File.WriteAllBytes(Path.Combine(folder, name), content);
            }
        });
        return start;
    }

    /// <summary>Makes the artifacts of a model in memory.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="options">What to train.</param>
    /// <exception cref="ModelRefusedException">The model cannot be recognised or differentiated.</exception>
    public static ArtifactSet Make(OnnxModel model, ArtifactOptions options) => Make(model, options, out _, out _);

    private static ArtifactSet Make(OnnxModel model, ArtifactOptions options, out AdapterParameters start, out IReadOnlyList<string> dataFiles)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        OrtCheckpoint checkpoint = StartOf(Architecture.Of(sites, model.Path!), model.Path, options) with { BaseFingerprint = BaseFingerprint.Of(sites, options.StartLayer) };
        OnnxModel training = Graph(model, TrainingGraphKind.Gradient, options);
        TrainingModelGraph.Apply(training.Graph, options.Parameters);
        OnnxModel evaluation = Graph(model, TrainingGraphKind.Evaluation, options);
        start = checkpoint.Parameters;
        dataFiles = options.Inline ? [] : [.. DataFiles(training).Union(DataFiles(evaluation))];
        return new ArtifactSet(ToBytes(training, options), ToBytes(evaluation, options), OptimizerModelGraph.Build(options).ToByteArray(), OrtCheckpointFile.ToBytes(checkpoint), Path.GetDirectoryName(model.Path!)!);
    }

    private static OrtCheckpoint StartOf(Architecture architecture, string? where, ArtifactOptions options)
    {
        if (options.StartLayer >= architecture.Layers)
        {
            throw new ModelRefusedException("The model has no such layer", where, $"start layer {options.StartLayer}", $"a layer from 0 to {architecture.Layers - 1}", "name an earlier start layer");
        }
        if (options.Attention == AttentionReading.Concat && options.StartLayer > 0)
        {
            throw new ModelRefusedException("Concat attention takes every layer", where, $"start layer {options.StartLayer}", "start layer 0", "leave the start layer out");
        }
        AdapterShape shape = AdapterShape.Of(architecture, options.StartLayer, options.Tokens, options.Attention);
        OrtCheckpoint start = options.Start ?? new OrtCheckpoint(AdapterParameters.Initial(shape, options.Seed));
        return start.Parameters.Shape == shape ? start
            : throw new AdapterRefusedException("The tokens and gates to start from do not fit the model", where, start.Parameters.Shape.ToString(), shape.ToString(), "start from an adapter of this model");
    }

    private static OnnxModel Graph(OnnxModel model, TrainingGraphKind kind, ArtifactOptions options) => TrainingGraph.Build(model, kind, options.StartLayer, options.Tokens, new TrainingGraphOptions
    {
        Runtime = TrainingRuntime.OnnxRuntimeTraining,
        Attention = options.Attention,
        Preference = kind == TrainingGraphKind.Gradient ? options.Preference : null,
        Recompute = options.Recompute,
    });

    private static byte[] ToBytes(OnnxModel model, ArtifactOptions options) => options.Inline ? InlineWeights.ToBytes(model) : model.ToBytes();

    private static IEnumerable<string> DataFiles(OnnxModel model) =>
        model.Graph.Values.Select(value => value.Initializer).OfType<Tensor>().Where(tensor => tensor.IsExternal).Select(tensor => ExternalData.Of(tensor.Proto).Location);
}
