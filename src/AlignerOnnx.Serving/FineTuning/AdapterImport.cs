using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Makes adapter folders of tokens and gates that were trained elsewhere.</summary>
public static class AdapterImport
{
    /// <summary>Imports a checkpoint of another library (<see cref="ForeignCheckpoint"/>) or of ONNX Runtime Training, or the newest one of a run that was stopped.</summary>
    /// <param name="source">The file, or the folder of the checkpoint or the run.</param>
    /// <param name="model">The model that it was trained on: a folder or an .onnx file. Another library's checkpoint can do without: its adapter then fits with <c>--any-base</c> alone.</param>
    /// <param name="output">The adapter folder to make; it must not exist, or be empty.</param>
    /// <param name="anyBase">Whether another quantisation of the model will do.</param>
    /// <returns>The adapter.</returns>
    /// <exception cref="RefusedException">The source is damaged, of another kind or of another model.</exception>
    /// <exception cref="IOException">The output is taken, or cannot be written.</exception>
    public static Adapter Run(string source, string? model, string output, bool anyBase = false)
    {
        AdapterSaving.RequireFree(output);
        Adapter adapter = OrtCheckpointFile.IsCheckpoint(source) || RunFolder.HasCheckpoint(source) ? OfTraining(source, model, anyBase) : ForeignCheckpoint.Read(source, model);
        AdapterPackage.Save(adapter, output);
        return adapter;
    }

    private static Adapter OfTraining(string source, string? model, bool anyBase)
    {
        if (model is null)
        {
            throw new AdapterRefusedException("The checkpoint does not say which model it is for", source, "no model", "the model that it was trained on", "give it with --model");
        }
        FrozenModel frozen = new(model);
        AdapterStart trained = AdapterStart.Read(frozen, source, anyBase);
        TrainingRecord record = new() { Recipe = $"imported from {Path.GetFileName(Path.TrimEndingDirectorySeparator(source))}", Steps = trained.Optimizer?.StepCount ?? 0 };
        AdapterConfig config = Adapter.Describe(frozen.Sites, model, trained.Layer, trained.Parameters.Shape.TokenCount, record) with { Attention = trained.Attention.ToString().ToLowerInvariant() };
        return new Adapter(config, trained.Parameters.Tokens, trained.Parameters.Gates);
    }
}
