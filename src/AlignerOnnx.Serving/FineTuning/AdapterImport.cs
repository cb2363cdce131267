using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Makes adapter folders of tokens and gates that were trained elsewhere.</summary>
public static class AdapterImport
{
    /// <summary>Imports a checkpoint of ONNX Runtime Training, or the newest one of a run that was stopped.</summary>
    /// <param name="source">The file, or the folder of the run.</param>
    /// <param name="model">The model that it was trained on: a folder or an .onnx file.</param>
    /// <param name="output">The adapter folder to make; it must not exist, or be empty.</param>
    /// <param name="anyBase">Whether another quantisation of the model will do.</param>
    /// <returns>The adapter.</returns>
    /// <exception cref="RefusedException">The source is damaged, of another kind or of another model.</exception>
    /// <exception cref="IOException">The output is taken, or cannot be written.</exception>
    public static Adapter Run(string source, string model, string output, bool anyBase = false)
    {
        if (!OrtCheckpointFile.IsCheckpoint(source) && !RunFolder.HasCheckpoint(source))
        {
            throw new AdapterRefusedException("This cannot be imported", source, File.Exists(source) || Directory.Exists(source) ? "another kind of file or folder" : "no such file or folder",
                "a checkpoint of ONNX Runtime Training, or the .run folder of a stopped run", "name what holds the tokens and gates");
        }
        AdapterSaving.RequireFree(output);
        FrozenModel frozen = new(model);
        AdapterStart trained = AdapterStart.Read(frozen, source, anyBase);
        TrainingRecord record = new() { Recipe = $"imported from {Path.GetFileName(Path.TrimEndingDirectorySeparator(source))}", Steps = trained.Optimizer?.StepCount ?? 0 };
        AdapterConfig config = Adapter.Describe(frozen.Sites, model, trained.Layer, trained.Parameters.Shape.TokenCount, record) with { Attention = trained.Attention.ToString().ToLowerInvariant() };
        Adapter adapter = new(config, trained.Parameters.Tokens, trained.Parameters.Gates);
        AdapterPackage.Save(adapter, output);
        return adapter;
    }
}
